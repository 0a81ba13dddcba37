"""Who watches the controller at work: told how canaries stand and how long passes took. It decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from canary.controller.due import Key
from canary.controller.queue import Handler
from canary.rollout.model import Check, Status


class Witness(Protocol):
    """Told of canaries; quick, and raises nothing."""

    def seen(self, key: Key, status: Status | None, checks: Sequence[Check]) -> None:
        """A canary stands so, with these checks in its plan; None when its status cannot be read."""

    def gone(self, key: Key) -> None:
        """A canary is no more."""


def timed(handle: Handler, passed: Callable[[float, Exception | None], None]) -> Handler:
    """Return a handler that tells `passed` how many seconds each pass took, and what it raised."""

    async def timed_pass(key: Key) -> timedelta | None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            again = await handle(key)
        except Exception as failure:
            passed(loop.time() - began, failure)
            raise
        passed(loop.time() - began, None)
        return again

    return timed_pass
