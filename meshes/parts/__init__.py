"""What several adapters are made of, so that nothing of it is written twice: pure, like the adapters."""
