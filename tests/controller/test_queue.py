"""The queue of passes, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from canary.controller.due import Key
from canary.controller.queue import KeyQueue
from canary.errors import CanaryError, Conflict, Unavailable

pytestmark = pytest.mark.looptime

A, B = ("shop", "a"), ("shop", "b")

Does = Callable[[Key], Awaitable[timedelta | None]]


class Passes:
    """Handles keys by `does`; notes when each pass began, in seconds of virtual time, and each failure's delay."""

    def __init__(self, does: Does | None = None, *, at_once: int = 200) -> None:
        self.began: list[tuple[Key, float]] = []
        self.delays: list[float] = []
        self.under_way = 0
        self.most = 0
        self.does = does
        self.queue = KeyQueue(self._handle, on_failure=self._failed, jitter=lambda: 1.0, at_once=at_once)

    async def _handle(self, key: Key) -> timedelta | None:
        self.began.append((key, round(asyncio.get_running_loop().time(), 3)))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self.does(key) if self.does else None
        finally:
            self.under_way -= 1

    def _failed(self, key: Key, failure: Exception, again_in_s: float) -> None:
        self.delays.append(round(again_in_s, 3))

    def times(self, key: Key) -> list[float]:
        return [at for each, at in self.began if each == key]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[KeyQueue]:
        task = asyncio.create_task(self.queue.run())
        try:
            yield self.queue
        finally:
            task.cancel()
            await asyncio.wait([task])


async def takes_a_second(_: Key) -> None:
    await asyncio.sleep(1)


async def test_repeats_before_a_pass_are_one_pass() -> None:
    passes = Passes()
    async with passes.running() as queue:
        for _ in range(5):
            queue.add(A)
        assert len(queue) == 1
        await asyncio.sleep(10)
    assert passes.began == [(A, 0)]


async def test_what_comes_during_a_pass_is_one_more_after_it_and_never_beside_it() -> None:
    passes = Passes(takes_a_second)
    async with passes.running() as queue:
        queue.add(A)
        await asyncio.sleep(0.5)
        queue.add(A)
        queue.add(A)
        await asyncio.sleep(10)
    assert passes.began == [(A, 0), (A, 1)]
    assert passes.most == 1


async def test_different_keys_run_side_by_side_up_to_the_bound() -> None:
    passes = Passes(takes_a_second, at_once=2)
    async with passes.running() as queue:
        for name in "abc":
            queue.add(("shop", name))
        await asyncio.sleep(10)
    assert passes.began == [(("shop", "a"), 0), (("shop", "b"), 0), (("shop", "c"), 1)]
    assert passes.most == 2


async def test_a_pass_may_ask_for_the_next_one() -> None:
    async def again(_: Key) -> timedelta | None:
        return timedelta(seconds=30) if len(passes.began) < 3 else None

    passes = Passes(again)
    async with passes.running() as queue:
        queue.add(A)
        await asyncio.sleep(1000)
    assert passes.times(A) == [0, 30, 60]


async def test_an_event_comes_before_the_time_that_was_asked_for_and_in_its_place() -> None:
    async def again(_: Key) -> timedelta | None:
        return timedelta(seconds=30) if len(passes.began) == 1 else None

    passes = Passes(again)
    async with passes.running() as queue:
        queue.add(A)
        await asyncio.sleep(10)
        queue.add(A)
        await asyncio.sleep(1000)
    assert passes.times(A) == [0, 10]


async def test_the_earlier_of_two_times_counts() -> None:
    passes = Passes()
    async with passes.running() as queue:
        queue.add_after(A, 5)
        queue.add_after(A, 50)
        queue.add_after(B, 50)
        queue.add_after(B, 5)
        await asyncio.sleep(1000)
    assert (passes.times(A), passes.times(B)) == ([5], [5])


async def test_failures_are_tried_again_at_growing_delays_of_at_most_ten_seconds() -> None:
    async def fails(_: Key) -> None:
        raise CanaryError("no")

    passes = Passes(fails)
    async with passes.running() as queue:
        queue.add(A)
        await asyncio.sleep(60)
    assert passes.delays[:8] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    assert passes.times(A)[:4] == [0, 0.2, 0.6, 1.4]


async def test_events_cut_the_delays_of_a_failing_key_short_once_and_not_for_ever() -> None:
    async def fails(_: Key) -> None:
        raise CanaryError("no")

    passes = Passes(fails)
    async with passes.running() as queue:
        queue.add(A)
        for _ in range(200):
            await asyncio.sleep(0.05)
            queue.add(A)
    assert passes.times(A) == [0, 0.05, 0.45, 1.25, 2.85, 6.05]


async def test_an_event_during_a_failing_pass_cuts_its_delay_short_only_once() -> None:
    async def fails_later(_: Key) -> None:
        await asyncio.sleep(0.1)
        raise CanaryError("no")

    passes = Passes(fails_later)
    async with passes.running() as queue:
        for _ in range(100):
            queue.add(A)
            await asyncio.sleep(0.05)
    assert passes.times(A) == [0, 0.1, 0.6, 1.5, 3.2]


async def test_after_a_success_an_event_may_cut_a_delay_short_again() -> None:
    async def fails_but_the_third(_: Key) -> None:
        if len(passes.began) != 3:
            raise CanaryError("no")

    passes = Passes(fails_but_the_third)
    async with passes.running() as queue:
        for moment in (0.0, 0.05, 0.45, 1.0, 1.1, 1.2):
            await asyncio.sleep(moment - asyncio.get_running_loop().time())
            queue.add(A)
        await asyncio.sleep(0.2)
    assert passes.times(A)[:6] == [0, 0.05, 0.45, 1.0, 1.1]


async def test_jitter_takes_at_most_half_of_a_delay_away() -> None:
    async def fails(_: Key) -> None:
        raise CanaryError("no")

    passes = Passes(fails)
    passes.queue = KeyQueue(fails, on_failure=passes._failed, jitter=lambda: 0.0)
    async with passes.running() as queue:
        queue.add(A)
        await asyncio.sleep(30)
    assert passes.delays[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5]


async def test_a_success_begins_the_delays_anew() -> None:
    async def fails_but_the_third(_: Key) -> timedelta | None:
        if len(passes.began) == 3:
            return timedelta(seconds=1)
        raise CanaryError("no")

    passes = Passes(fails_but_the_third)
    async with passes.running() as queue:
        queue.add(A)
        await asyncio.sleep(3)
    assert passes.delays[:4] == [0.2, 0.4, 0.2, 0.4]


@pytest.mark.parametrize(
    ("failure", "delays"),
    [
        (Conflict("changed"), [0, 0.4, 0.8]),
        (Unavailable("busy", retry_after=3), [3, 3, 3]),
        (Unavailable("busy", retry_after=300), [10, 10, 10]),
        (ValueError("a fault of ours"), [0.2, 0.4, 0.8]),
    ],
)
async def test_a_failure_decides_when_it_is_tried_again(failure: Exception, delays: list[float]) -> None:
    async def fails(_: Key) -> None:
        raise failure

    passes = Passes(fails)
    async with passes.running() as queue:
        queue.add(A)
        await asyncio.sleep(40)
    assert passes.delays[:3] == delays


async def test_a_key_that_fails_or_hangs_does_not_stop_others() -> None:
    async def does(key: Key) -> timedelta | None:
        if key == A:
            raise ValueError("broken")
        if key == B:
            await asyncio.Event().wait()
        return timedelta(seconds=10)

    passes = Passes(does)
    async with passes.running() as queue:
        for key in (A, B, ("shop", "c")):
            queue.add(key)
        await asyncio.sleep(25)
    assert passes.times(("shop", "c")) == [0, 10, 20]


async def test_a_cancelled_queue_leaves_no_pass_and_no_timer() -> None:
    async def does(key: Key) -> timedelta | None:
        if key == A:
            await asyncio.Event().wait()
        return timedelta(seconds=5)

    passes = Passes(does)
    async with passes.running() as queue:
        queue.add(A)
        queue.add(B)
        await asyncio.sleep(1)
        assert passes.under_way == 1
    assert passes.under_way == 0
    await asyncio.sleep(1000)
    assert passes.began == [(A, 0), (B, 0)]
    assert len(passes.queue) == 0


async def test_a_key_without_anything_to_do_is_forgotten() -> None:
    passes = Passes()
    async with passes.running() as queue:
        for number in range(100):
            queue.add(("shop", str(number)))
        await asyncio.sleep(1)
        assert queue._entries == {}


async def test_the_oldest_key_that_waits_tells_its_age() -> None:
    passes = Passes(takes_a_second, at_once=1)
    async with passes.running() as queue:
        assert (len(queue), queue.oldest_s) == (0, 0.0)
        queue.add(A)
        await asyncio.sleep(0.25)
        queue.add(B)
        await asyncio.sleep(0.5)
        assert (len(queue), queue.oldest_s) == (1, 0.5)
        await asyncio.sleep(0.5)
        assert (len(queue), queue.oldest_s) == (0, 0.0)
