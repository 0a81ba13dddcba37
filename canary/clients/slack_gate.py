"""Gates before Slack's limits: so many calls at once, so far apart, and none before `Retry-After` is over.

https://docs.slack.dev/apis/web-api/rate-limits: a message a second in a channel and for a webhook, fifty calls a minute
of a method of tier 3, twenty of tier 2. Pure waiting: nothing here calls Slack.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from canary.errors import Unavailable

MESSAGE_APART_S = 1.1
TIER_3_APART_S = 1.25
TIER_2_APART_S = 3.2

LEAST_WAIT_S = 0.001
"""A clock that is read a little before the moment it was set for would else be read over and over."""

MOST_CHANNELS = 1000

T = TypeVar("T")


class Gate:
    """Lets `width` through at once, each at least `apart_s` seconds after the one before. First come, first served."""

    def __init__(self, *, width: int = 1, apart_s: float = 0.0) -> None:
        self._room = asyncio.Semaphore(width)
        self._patient = asyncio.Lock()
        self._apart_s = apart_s
        self._open_at = 0.0

    @asynccontextmanager
    async def turn(self, *, urgent: bool = True) -> AsyncIterator[None]:
        """Wait for a turn; it ends with the block. Of those that are not urgent only one stands in the queue.

        An `Unavailable` that the block raises with `retry_after` closes the gate for so long, for all who wait too.
        """
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as held:
            if not urgent:
                await held.enter_async_context(self._patient)
            await held.enter_async_context(self._room)
            while (wait := self._open_at - loop.time()) > 0:  # noqa: ASYNC110 - it may be closed again meanwhile
                await asyncio.sleep(max(wait, LEAST_WAIT_S))
            self._open_at = loop.time() + self._apart_s
            try:
                yield
            except Unavailable as err:
                if err.retry_after is not None:
                    self._open_at = max(self._open_at, loop.time() + err.retry_after)
                raise


class Channels:
    """The gate of each channel, by its name or its id, and the ids that are known. The newest 1,000 are kept."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}
        self._ids: dict[str, str] = {}

    @asynccontextmanager
    async def turn(self, channel: str) -> AsyncIterator[None]:
        """Wait for a turn in a channel; it ends with the block."""
        while True:
            gate = self._gate(channel)
            async with gate.turn():
                if self._gate(channel) is gate:
                    yield
                    return
            # while this one waited, the channel was learned to be one that others know by another name

    def _gate(self, channel: str) -> Gate:
        return _kept(self._gates, self.id_of(channel), Gate(apart_s=MESSAGE_APART_S))

    def id_of(self, channel: str) -> str:
        """Return the id that was learned for a channel's name; without one, what was given."""
        return self._ids.get(channel, channel)

    def learn(self, channel: str, known_id: str) -> None:
        """Take it that a channel has this id: from now on both share a gate."""
        if known_id == channel or self._ids.get(channel) == known_id:
            return
        self._ids.pop(channel, None)
        _kept(self._ids, channel, known_id)
        gate = self._gates.pop(channel, None)
        if gate is not None:
            _kept(self._gates, known_id, gate)

    def forget(self, channel: str) -> None:
        """Take it that the id of a channel may be another now."""
        self._ids.pop(channel, None)


def _kept(kept: dict[str, T], key: str, new: T) -> T:
    found = kept.setdefault(key, new)
    if len(kept) > MOST_CHANNELS:
        del kept[next(iter(kept))]
    return found


class Post(Protocol):
    """How a message goes out where there are no threads: an incoming webhook."""

    async def post(self, body: Mapping[str, Any]) -> None:
        """As `Webhook` does."""


@dataclass(frozen=True, slots=True)
class GatedPost:
    """A webhook with a gate before it, for all canaries that share it."""

    hook: Post
    gate: Gate

    async def post_newest(self, body: Callable[[], Mapping[str, Any]]) -> None:
        """Post a message as it is once it may be sent. Raises as the other does."""
        async with self.gate.turn():
            await self.hook.post(body())
