"""Writes Events beside the passes: what people read must keep nobody waiting whose traffic is to be taken away.

In order for each canary. Not its job: what is told (canary.rollout), what an Event looks like (tell), Slack (outbox).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from canary.controller import lines
from canary.controller.due import Key
from canary.controller.tell import About, Teller
from canary.rollout.model import Notice

log = structlog.get_logger()

ROOM = 100
"""Batches of notices that may wait for one canary; an API server that takes no Events fills it, and nothing else."""


class Announcer:
    """Handles the keys of a queue of its own. `start` asks that queue for a pass over a key."""

    def __init__(self, teller: Teller, *, start: Callable[[Key], None]) -> None:
        self._teller = teller
        self._start = start
        self._waiting: dict[Key, deque[tuple[Sequence[Notice], About]]] = {}
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def send(self, notices: Sequence[Notice], about: About) -> None:
        """Log notices and have them written as Events. Over ROOM batches the oldest of the canary is dropped."""
        if not notices:
            return
        lines.told(notices)
        key = _key(about)
        waiting = self._waiting.setdefault(key, deque())
        waiting.append((notices, about))
        if len(waiting) > ROOM:
            dropped, _ = waiting.popleft()
            log.warning("events_dropped", namespace=key[0], canary=key[1], reasons=[one.reason for one in dropped])
        self._idle.clear()
        self._start(key)

    async def tell(self, notices: Sequence[Notice], about: About, *, at_once: bool) -> None:
        """Have notices written; `at_once` before the call returns, as who gave a command waits for the answer."""
        self.send(notices, about)
        if at_once:
            await self(_key(about))

    async def __call__(self, key: Key) -> timedelta | None:
        """Write what waits for one canary. What cannot be written is logged: it never stops a rollout."""
        self._under_way += 1
        try:
            for notices, about in self._waiting.pop(key, ()):
                for wrong in await self._teller.record(notices, about):
                    log.warning("event_not_written", namespace=key[0], canary=key[1], error=wrong)
        finally:
            self._under_way -= 1
            if not self._waiting and not self._under_way:
                self._idle.set()
        return None

    async def idle(self) -> None:
        """Wait until everything is written or was given up."""
        await self._idle.wait()


def _key(about: About) -> Key:
    return str(about.canary["metadata"]["namespace"]), str(about.canary["metadata"]["name"])
