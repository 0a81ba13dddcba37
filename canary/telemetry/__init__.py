"""The controller's own metrics for Prometheus: what they are (catalogue), and how they are kept and shown."""
