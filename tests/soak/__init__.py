"""`make soak`: an hour of rollouts at speed, to see whether the controller keeps what it should forget."""
