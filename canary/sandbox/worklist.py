"""How a simulated controller gets its work: keys, each worked on once for all the events that named it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from meshes.contract import ObjectRef


class Worklist:
    """Calls `work` with each object that was added, `delay` seconds later, which may change. Nothing polls."""

    def __init__(self, work: Callable[[ObjectRef], None], delay: float) -> None:
        self._work = work
        self.delay = delay
        self._loop = asyncio.get_running_loop()
        self._timers: dict[ObjectRef, tuple[float, asyncio.TimerHandle]] = {}

    def add(self, ref: ObjectRef, after: float = 0.0) -> None:
        """Have the object worked on, `after` more seconds from now at the latest."""
        when = self._loop.time() + self.delay + after
        known = self._timers.get(ref)
        if known is not None:
            at, timer = known  # a loop may have made what is due at once no timer, which knows no time
            if at <= when:
                return
            timer.cancel()
        self._timers[ref] = when, self._loop.call_at(when, self._run, ref)

    def close(self) -> None:
        """Forget all work."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _run(self, ref: ObjectRef) -> None:
        del self._timers[ref]
        self._work(ref)
