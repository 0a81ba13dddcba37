"""The loop: observe, decide, write the status, act, tell. It keeps the order of effects and decides nothing itself."""
