"""The one retry policy for calls to the outside world. Which calls may be repeated at all is the caller's choice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import tenacity
from tenacity.wait import wait_exponential_jitter

from canary.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to go on: at most `tries` calls (None for no limit), all begun `within` of the first.

    The first wait is `first` seconds, each later one twice as long up to `longest`, each with up to half of `first` of
    jitter on top.
    """

    tries: int | None = 3
    within: timedelta = timedelta(seconds=8)
    first: float = 0.2
    longest: float = 2.0


QUICK = Patience()


class NotSoon(Unavailable):
    """Unavailable in a way that another try within seconds does not mend (a login page, a wrong password)."""


async def retrying(
    call: Callable[[], Awaitable[T]],
    patience: Patience = QUICK,
    *,
    failed: Callable[[Unavailable], None] | None = None,
) -> T:
    """Return what `call` returns; call it again while it raises `Unavailable` and patience lasts.

    Where the other side asks for a wait (`retry_after`), that is the wait. The last error is raised as soon as the
    next call would begin too late. `NotSoon` and every other error are raised at once. `failed` is told of each error
    that is followed by another try. How long one `call` may take is limited by the caller.
    """
    policy = _policy(patience, failed or _ignored)

    async def once() -> T:  # tenacity awaits only what it can see to be a coroutine function, which a lambda is not
        return await call()

    return await policy(once)


def _policy(patience: Patience, failed: Callable[[Unavailable], None]) -> tenacity.AsyncRetrying:
    """Return tenacity's form of a patience that begins now."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.within.total_seconds()
    backoff = wait_exponential_jitter(multiplier=patience.first, max=patience.longest, jitter=patience.first / 2)

    def pause(state: tenacity.RetryCallState) -> float:
        asked = _error(state).retry_after
        return backoff(state) if asked is None else asked

    def spent(state: tenacity.RetryCallState) -> bool:
        tries = patience.tries
        return (tries is not None and state.attempt_number >= tries) or loop.time() + state.upcoming_sleep >= end

    return tenacity.AsyncRetrying(
        sleep=asyncio.sleep,
        wait=pause,
        stop=spent,
        before_sleep=lambda state: failed(_error(state)),
        retry=tenacity.retry_if_exception(_may_help),
        reraise=True,
    )


def _ignored(error: Unavailable) -> None:
    """Nobody asked to be told."""


def _may_help(err: BaseException) -> bool:
    return isinstance(err, Unavailable) and not isinstance(err, NotSoon)


def _error(state: tenacity.RetryCallState) -> Unavailable:
    err = state.outcome.exception() if state.outcome else None
    return err if isinstance(err, Unavailable) else Unavailable("")
