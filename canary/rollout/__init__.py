"""The rules of a rollout: pure functions over frozen values. No await, no clock, no log, no I/O."""
