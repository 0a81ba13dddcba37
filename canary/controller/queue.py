"""Which canary is looked at when: one pass at a time for a key, many keys at once, repeats folded into one.

Who is known to be in a hurry comes first, and who was served in the last seconds after all others, longest ago first.
When hundreds of canaries are told of something in the same second, each has its first pass, which takes a bad version's
traffic away, before any has the next ones, which tidy up after it; nobody waits for ever.

Not its job: what a pass does. A pass that fails is tried again after a delay that doubles with each failure, has
jitter, and never passes ten seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count

from canary.errors import CanaryError, Conflict, Unavailable

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0
FIRST = -1.0
LONGEST_COURTESY_S = 1.0
"""How long a queue waits at most for one that goes first, and a pass that gives way for those that wait."""
SHORT_TURN_S = 0.003
"""A turn of the event loop that takes longer tells that those under way keep the processor busy."""
LONGEST_TURNS_S = 0.03
"""How long the next pass waits at most for a short turn."""
SERVED_S = 3.0
"""How long a key that was served comes after those that were not."""

Key = tuple[str, str]
"""Namespace and name."""

Handler = Callable[[Key], Awaitable[timedelta | None]]
"""One pass over a key. It returns when to look again without an event, None for never."""

OnFailure = Callable[[Key, Exception, float], None]
"""Called with the key, what went wrong and the seconds until the next try."""


@dataclass(slots=True)
class _Entry:
    dirty: bool = False
    running: bool = False
    first: bool = False
    failures: int = 0
    hurried: bool = False
    cut: bool = False
    not_before: float = 0.0
    due_at: float = 0.0
    timer: asyncio.TimerHandle | None = None
    asked: asyncio.Future[None] | None = None


class KeyQueue:
    """A queue of keys with one worker a key.

    `jitter` returns a number in [0, 1); `at_once` bounds the passes that run side by side. While keys wait in `after`,
    another queue, none is begun here, for at most a second.
    """

    def __init__(
        self,
        handle: Handler,
        *,
        on_failure: OnFailure,
        jitter: Callable[[], float],
        at_once: int = 200,
        after: KeyQueue | None = None,
    ) -> None:
        self._handle = handle
        self._on_failure = on_failure
        self._jitter = jitter
        self._at_once = at_once
        self._after = after
        self._entries: dict[Key, _Entry] = {}
        self._due: list[tuple[float, int, Key]] = []
        self._order = count()
        self._served: dict[Key, float] = {}
        self._wake = asyncio.Event()
        self._calm = asyncio.Event()
        self._calm.set()
        self._running = 0

    def __len__(self) -> int:
        """The number of keys that wait for a worker."""
        return len(self._due)

    @property
    def oldest_s(self) -> float:
        """How long the key that waits longest has been due, in seconds; 0 when none waits."""
        now = asyncio.get_running_loop().time()
        return max((now - self._entries[key].due_at for _, _, key in self._due), default=0.0)

    def add(self, key: Key, *, first: bool = False) -> None:
        """Ask for a pass over `key` as soon as may be; while one runs, for one more after it. `first` of all that wait.

        The delay after a failure is cut short once; what comes then waits for its end, for events may come from the
        failing passes themselves.
        """
        entry = self._entries.setdefault(key, _Entry())
        entry.first = entry.first or first
        if entry.dirty:
            return
        if entry.running:
            entry.dirty = True
            if entry.asked is not None and not entry.asked.done():
                entry.asked.set_result(None)
        elif not self._waits(entry):
            if entry.timer is not None:
                entry.timer.cancel()
                entry.timer = None
            entry.dirty = True
            self._is_due(key, entry)
            self._wake.set()

    def _waits(self, entry: _Entry) -> bool:
        """Return whether the delay after a failure stands against an event; the first one is let through."""
        if asyncio.get_running_loop().time() >= entry.not_before:
            return False
        hurried, entry.hurried = entry.hurried, True
        return hurried

    def _is_due(self, key: Key, entry: _Entry) -> None:
        entry.due_at = asyncio.get_running_loop().time()
        self._calm.clear()
        served = self._served.get(key, 0.0)
        lately = served if served > entry.due_at - SERVED_S else 0.0
        heappush(self._due, (FIRST if entry.first else lately, next(self._order), key))

    def add_after(self, key: Key, delay_s: float) -> None:
        """Ask for a pass in `delay_s` seconds, unless one is asked for before."""
        loop = asyncio.get_running_loop()
        entry, at = self._entries.setdefault(key, _Entry()), loop.time() + max(0.0, delay_s)
        if entry.dirty or (entry.timer is not None and entry.timer.when() <= at):
            return
        if entry.timer is not None:
            entry.timer.cancel()
        entry.timer = loop.call_at(at, self._elapsed, key)

    def _elapsed(self, key: Key) -> None:
        entry = self._entries[key]
        entry.timer, entry.not_before = None, 0.0
        self.add(key)

    async def run(self) -> None:
        """Work until cancelled; a cancelled queue leaves no pass running and no timer set."""
        try:
            async with asyncio.TaskGroup() as passes:
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    while self._due and self._running < self._at_once:
                        if self._after is not None:
                            await self._after.quiet()
                        _, _, key = heappop(self._due)
                        entry = self._entries[key]
                        entry.dirty, entry.running, entry.first = False, True, False
                        self._running += 1
                        self._is_served(key)
                        passes.create_task(self._work(key, entry), name=f"pass {key[0]}/{key[1]}")
                        if not self._due:
                            self._calm.set()
                        await self._short_turn()
        finally:
            for entry in self._entries.values():
                if entry.timer is not None:
                    entry.timer.cancel()

    async def _short_turn(self) -> None:
        """Wait while those under way keep the processor busy: one more would only hold all of them up.

        Whoever waits for an answer keeps nobody waiting, however many they are.
        """
        loop = asyncio.get_running_loop()
        began = turned = loop.time()
        while True:
            await asyncio.sleep(0)
            now = loop.time()
            if now - turned < SHORT_TURN_S or now - began > LONGEST_TURNS_S:
                return
            turned = now

    async def give_way(self, key: Key | None = None) -> bool:
        """Within a pass, let those begin that wait, for at most LONGEST_COURTESY_S seconds; none is kept out by it.

        A pass over `key` waits no longer than until it is asked for again. Return whether there were any.
        """
        if not self._due:
            return False
        self._running -= 1
        self._wake.set()
        try:
            await self.quiet(key)
        finally:
            self._running += 1
        return True

    async def quiet(self, key: Key | None = None) -> None:
        """Wait until every key that is due has a worker, for at most LONGEST_COURTESY_S seconds.

        A pass over `key` waits no longer than until it is asked for again.
        """
        entry = self._entries.get(key) if key is not None else None
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_COURTESY_S):
                await (self._calm.wait() if entry is None else self._calm_or_asked(entry))

    async def _calm_or_asked(self, entry: _Entry) -> None:
        """Wait until every key that is due has a worker, or this one is asked for."""
        if entry.dirty:
            return
        asked = entry.asked = asyncio.get_running_loop().create_future()
        calm = asyncio.ensure_future(self._calm.wait())
        try:
            await asyncio.wait((asked, calm), return_when=asyncio.FIRST_COMPLETED)
        finally:
            entry.asked = None
            calm.cancel()

    def is_outdated(self, key: Key) -> bool:
        """Return whether a pass that let others go first had better end, since its key was asked for again meanwhile.

        It then does not count as one: the next comes in its place. Never twice in a row.
        """
        entry = self._entries[key]
        entry.cut = entry.dirty and not entry.cut
        if entry.cut:
            self.does_not_count(key)
        return entry.cut

    def does_not_count(self, key: Key) -> None:
        """Note that the pass over `key` which is under way was none that it waited for: the next comes in its place."""
        self._served.pop(key, None)

    def _is_served(self, key: Key) -> None:
        """Note when the key was served, and forget those of long ago."""
        now = asyncio.get_running_loop().time()
        self._served.pop(key, None)
        self._served[key] = now  # the order of the dict is that of the times
        while (oldest := next(iter(self._served))) != key and self._served[oldest] < now - SERVED_S:
            del self._served[oldest]

    async def _work(self, key: Key, entry: _Entry) -> None:
        again_s: float | None = None
        try:
            again = await self._handle(key)
            entry.failures, entry.hurried, entry.not_before = 0, False, 0.0
            again_s = None if again is None else again.total_seconds()
        except Exception as failure:  # noqa: BLE001 - a fault in one canary must not stop the others; it is reported
            again_s = self._delay(entry, failure)
            entry.not_before = asyncio.get_running_loop().time() + again_s
            self._on_failure(key, failure, again_s)
        finally:
            entry.running = False
            self._running -= 1
            self._wake.set()
        if entry.dirty and not self._waits(entry):
            self._is_due(key, entry)
        elif again_s is not None:
            entry.dirty = False
            self.add_after(key, again_s)
        elif entry.timer is None:
            del self._entries[key]

    def _delay(self, entry: _Entry, failure: Exception) -> float:
        entry.failures += 1
        longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(entry.failures - 1, 10))
        if isinstance(failure, Conflict) and entry.failures == 1:
            return 0.0  # fresh reads are at hand already
        wish = failure.retry_after if isinstance(failure, Unavailable) and failure.retry_after else 0.0
        return min(LONGEST_DELAY_S, max(wish, longest * (0.5 + self._jitter() / 2)))


def is_expected(failure: Exception) -> bool:
    """Return whether a failure is one of our own family, so that a log needs no traceback."""
    return isinstance(failure, CanaryError)
