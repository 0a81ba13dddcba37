"""Which canary is looked at when: one pass at a time for a key, many keys at once, repeats folded into one.

Not its job: in which order they come (due), and what a pass does. A pass that fails is tried again after a delay that
doubles with each failure, has jitter, and never passes ten seconds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from canary.controller.due import ONE_IN, Due, Key
from canary.controller.haste import Haste
from canary.errors import CanaryError, Conflict, Unavailable

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0
LONGEST_COURTESY_S = 1.0
"""How long a queue waits at most for another that goes first."""
GIVES_WAY_S = 3.0
"""How long a pass that gives way waits for those in a hurry whatever comes; then one in ONE_IN places is for such."""
HASTY_FAILURES = 2
"""After more failures in a row a key is in no hurry any more: where many go on failing, they would hold up all else."""
SHORT_TURN_S = 0.003
"""A turn of the event loop that takes longer tells that those under way keep the processor busy."""
LONGEST_TURNS_S = 0.03
"""How long the next pass waits at most for a short turn."""
Handler = Callable[[Key], Awaitable[timedelta | None]]
"""One pass over a key. It returns when to look again without an event, None for never."""

OnFailure = Callable[[Key, Exception, float], None]
"""Called with the key, what went wrong and the seconds until the next try."""


@dataclass(slots=True)
class _Entry:
    dirty: bool = False
    running: bool = False
    haste: Haste = Haste.REST
    had: Haste = Haste.REST
    failures: int = 0
    hurried: bool = False
    cut: bool = False
    not_before: float = 0.0
    due_at: float = 0.0
    timer: asyncio.TimerHandle | None = None
    asked: _Back | None = None


@dataclass(slots=True)
class _Back:
    """A pass that gave way: with `until` or more haste another of its key lets it go on, without a free place."""

    goes_on: asyncio.Future[None]
    since: float
    until: Haste
    has_place: bool = False


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
        self._due = Due()
        self._wake = asyncio.Event()
        self._back: deque[_Back] = deque()
        self._calm = asyncio.Event()
        self._calm.set()
        self._running = 0
        self._freed = count(1)

    def __len__(self) -> int:
        """The number of keys that wait for a worker."""
        return len(self._due)

    @property
    def oldest_s(self) -> float:
        """How long the key that waits longest has been due, in seconds; 0 when none waits."""
        now = asyncio.get_running_loop().time()
        return max((now - self._entries[key].due_at for key in self._due), default=0.0)

    def add(self, key: Key, haste: Haste = Haste.REST) -> None:
        """Ask for a pass over `key` as soon as may be; while one runs, for one more after it. The most `haste` counts.

        The delay after a failure is cut short once; what comes then waits for its end, for events may come from the
        failing passes themselves.
        """
        entry = self._entries.setdefault(key, _Entry())
        more, entry.haste = haste < entry.haste, min(entry.haste, haste)
        if entry.asked is not None and haste <= entry.asked.until and not entry.asked.goes_on.done():
            entry.asked.goes_on.set_result(None)
        if entry.dirty:
            if more and key in self._due:
                self._due.put(key, entry.haste, entry.due_at)
        elif entry.running:
            entry.dirty = True
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
        self._due.put(key, entry.haste, entry.due_at)

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
                    while (self._due or self._back) and self._running < self._at_once:
                        if self._after is not None:
                            await self._after.quiet()
                        if not self._one_goes_on():
                            key, entry = self._begin()
                            passes.create_task(self._work(key, entry), name=f"pass {key[0]}/{key[1]}")
                        if not self._due:
                            self._calm.set()
                        await self._short_turn()
        finally:
            for entry in self._entries.values():
                if entry.timer is not None:
                    entry.timer.cancel()

    def _one_goes_on(self) -> bool:
        """Give a free place to the pass that gave way first, unless it waits on; return whether no key may begin."""
        while self._back and self._back[0].goes_on.done():
            self._back.popleft()
        if not self._back:
            return not self._due
        late = asyncio.get_running_loop().time() - self._back[0].since > GIVES_WAY_S
        if self._due.hurried and not (late and next(self._freed) % ONE_IN == 0):
            return False
        first = self._back.popleft()
        first.has_place = True
        first.goes_on.set_result(None)
        self._running += 1
        return True

    def _begin(self) -> tuple[Key, _Entry]:
        """Take the key that is to begin next from those that wait; there is one."""
        key = self._due.take(asyncio.get_running_loop().time())
        entry = self._entries[key]
        entry.dirty, entry.running = False, True
        entry.had, entry.haste = entry.haste, Haste.REST
        self._running += 1
        return key, entry

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

    async def give_way(self, key: Key, until: Haste = Haste.REST) -> bool:
        """Within a pass over `key`, let those begin that are in a hurry, and go on in a free place once none waits.

        It goes on at once when the key is asked for with such haste as `until` or more, and gives no way if it has more
        itself, as the next try of what failed. Return whether it gave way.
        """
        entry, loop = self._entries[key], asyncio.get_running_loop()
        if entry.had < until or not self._due.hurried:
            return False
        if entry.dirty and entry.haste <= until:
            return True
        back = entry.asked = _Back(loop.create_future(), loop.time(), until)
        self._back.append(back)
        self._running -= 1
        self._wake.set()
        try:
            await back.goes_on
        finally:
            entry.asked = None
            if not back.has_place:
                self._running += 1
        return True

    async def quiet(self) -> None:
        """Wait until every key that is due has a worker, for at most LONGEST_COURTESY_S seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_COURTESY_S):
                await self._calm.wait()

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
        """Note that the pass over `key` which is under way was none that it waited for: the next comes in its place.

        One that failed is none, as on a newer version of what it was to write; but no more once it goes on failing.
        """
        self._due.does_not_count(key)
        entry = self._entries[key]
        entry.haste = min(entry.haste, entry.had)

    async def _work(self, key: Key, entry: _Entry) -> None:
        again_s: float | None = None
        try:
            again = await self._handle(key)
            entry.failures, entry.hurried, entry.not_before = 0, False, 0.0
            again_s = None if again is None else again.total_seconds()
        except Exception as failure:  # noqa: BLE001 - a fault in one canary must not stop the others; it is reported
            again_s = self._delay(entry, failure)
            if entry.failures <= HASTY_FAILURES:
                self.does_not_count(key)
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
