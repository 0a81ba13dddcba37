"""The one retry policy for calls to the outside world. Which calls may be repeated at all is the caller's choice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import tenacity
from tenacity.wait import wait_exponential_jitter

from canary.errors import Unavailable

T = TypeVar("T")

TRIES = 3
WITHIN = timedelta(seconds=8)

_backoff = wait_exponential_jitter(initial=0.2, max=2.0, jitter=0.3)


class NotSoon(Unavailable):
    """Unavailable in a way that another try within seconds does not mend (a login page, a wrong password)."""


async def retrying(call: Callable[[], Awaitable[T]], *, tries: int = TRIES, within: timedelta = WITHIN) -> T:
    """Return what `call` returns, trying up to `tries` times while it raises `Unavailable`.

    Waits 0.2 s, then twice as long each time with jitter, or what the other side asked for (`retry_after`).
    The last error is raised as soon as the next wait would not end inside `within` of the start. `NotSoon` and
    every other error are raised at once. How long one `call` may take is limited by the caller.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + within.total_seconds()

    def spent(state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= tries or loop.time() + _pause(state) >= end

    policy = tenacity.AsyncRetrying(
        sleep=asyncio.sleep, wait=_pause, stop=spent, retry=tenacity.retry_if_exception(_may_help), reraise=True
    )
    return await policy(call)


def _may_help(err: BaseException) -> bool:
    return isinstance(err, Unavailable) and not isinstance(err, NotSoon)


def _pause(state: tenacity.RetryCallState) -> float:
    err = state.outcome.exception() if state.outcome else None
    asked = err.retry_after if isinstance(err, Unavailable) else None
    return asked if asked is not None else _backoff(state)
