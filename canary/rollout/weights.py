"""How many pods a weight needs, which weight pods can carry, and where a list of steps goes on."""

from __future__ import annotations

from collections.abc import Sequence

from canary.rollout.model import Step


def capacity(primary_replicas: int, weight: int) -> int:
    """Return how many ready pods a weight (percent) needs: its share of the primary's size, at least 1."""
    return max(1, -(-primary_replicas * weight // 100))


def highest_weight(primary_replicas: int, ready: int) -> int:
    """Return the highest whole weight (percent) that `ready` pods carry: the inverse of `capacity`, 0 without pods."""
    if ready <= 0:
        return 0
    if primary_replicas <= 0:
        return 100
    return min(100, 100 * ready // primary_replicas)


def step_at_or_above(steps: Sequence[Step], weight: int) -> int:
    """Return the index of the first step whose weight is not below `weight`; the last index when all are below."""
    for index, step in enumerate(steps):
        if step.weight >= weight:
            return index
    return len(steps) - 1
