"""Scenarios that end, freeze or cut off controllers: each starts its own, for its namespace alone."""
