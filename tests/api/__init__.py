"""Tests on a real control plane: etcd, kube-apiserver and kube-controller-manager from KUBEBUILDER_ASSETS."""
