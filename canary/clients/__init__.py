"""The outside world. Third-party clients are imported only here and in `sandbox`."""
