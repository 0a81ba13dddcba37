"""Scenarios under one `canary run` as manifests/install has it: its ServiceAccount and its rights, all namespaces."""
