"""Templates whose ReplicaSet is about to come: for a moment nothing is said of them, since a rollout begins with it.

Kubernetes' Deployment controller makes the ReplicaSet some milliseconds after a push. Not its job: what is said of one
that does not come (canary.rollout).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from canary.controller.due import Key
from canary.ports import Clock
from canary.rollout.model import Target

SOON = timedelta(seconds=1)
"""For how long at most nothing is said."""


class Newcomers:
    """Remembers since when the present template of each Deployment is known without its ReplicaSet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[Key, tuple[str, datetime]] = {}

    def is_awaited(self, key: Key, target: Target | None) -> bool:
        """Return whether the ReplicaSet of a Deployment's present template may be awaited in silence."""
        if target is None or target.revision.pin:
            self.forget(key)
            return False
        now, template = self._clock.now(), target.revision.key
        known = self._since.get(key)
        if known is None or known[0] != template:
            known = self._since[key] = (template, now)
        return now - known[1] < SOON

    def forget(self, key: Key) -> None:
        """Forget a canary that is gone, or whose ReplicaSet is there."""
        self._since.pop(key, None)
