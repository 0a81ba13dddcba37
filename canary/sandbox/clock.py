"""The API server's time of an embedded cluster, taken from the event loop so that virtual time moves it too."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When tests begin, unless they say otherwise."""


class LoopClock:
    """A `canary.ports.Clock` that starts at a given time and goes on as the running event loop's clock does.

    The loop's clock may be set back to 0 once (virtual time begins with a test, after its fixtures); this one goes on.
    """

    def __init__(self, start: datetime = EPOCH) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = start
        self._seen = self._loop.time()

    def now(self) -> datetime:
        seen = self._loop.time()
        self._now += timedelta(seconds=seen - self._seen if seen >= self._seen else seen)
        self._seen = seen
        return self._now


def stamp(at: datetime) -> str:
    """Return a time as Kubernetes writes it: `2026-01-01T00:00:00Z`, whole seconds."""
    return at.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def parse(text: str) -> datetime:
    """Return the time that `stamp` wrote (fractions of a second are read too)."""
    return datetime.fromisoformat(text)
