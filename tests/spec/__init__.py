"""Tests of what a user can write."""
