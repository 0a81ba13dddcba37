"""Adapters between a split of traffic and the routes of one service mesh each."""
