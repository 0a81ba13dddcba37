"""In which order the queue of passes serves its keys, and which queue goes first, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from canary.controller.queue import Key, KeyQueue
from tests.controller.test_queue import A, B, Passes, takes_a_second

pytestmark = pytest.mark.looptime


async def test_who_was_served_longest_ago_comes_first() -> None:
    passes = Passes(takes_a_second, at_once=1)
    async with passes.running() as queue:
        queue.add(A)
        await asyncio.sleep(0.5)
        queue.add(A)  # what follows its own first pass
        queue.add(B)
        queue.add(("shop", "c"))
        await asyncio.sleep(10)
    assert passes.began == [(A, 0), (B, 1), (("shop", "c"), 2), (A, 3)]


async def test_nobody_waits_for_ever_behind_those_that_always_come_anew() -> None:
    async def asks_again(key: Key) -> timedelta | None:
        await asyncio.sleep(1)
        return timedelta(0) if key != B else None

    passes = Passes(asks_again, at_once=1)
    async with passes.running() as queue:
        for name in "acde":
            queue.add(("shop", name))
        await asyncio.sleep(20.5)
        queue.add(B)
        await asyncio.sleep(10)
    assert [at - 20.5 for at in passes.times(B)] == [0.5]


async def test_a_queue_lets_another_go_first_but_not_for_ever() -> None:
    first = Passes(takes_a_second, at_once=1)
    told: list[float] = []

    async def tell(_: Key) -> None:
        told.append(asyncio.get_running_loop().time())

    behind = KeyQueue(tell, on_failure=lambda *_: None, jitter=lambda: 1.0, after=first.queue)
    async with first.running() as queue:
        telling = asyncio.create_task(behind.run())
        queue.add(A)
        queue.add(B)
        await asyncio.sleep(0.2)
        behind.add(A)
        await asyncio.sleep(10)
        for name in "abcdef":
            queue.add(("shop", name))
        await asyncio.sleep(0.1)
        behind.add(A)
        await asyncio.sleep(10)
        telling.cancel()
        await asyncio.wait([telling])
    assert told == [pytest.approx(1.0), pytest.approx(10.2 + 0.1 + 1.0)]


async def test_a_started_pass_goes_on_before_the_next_one_begins() -> None:
    done: list[Key] = []

    async def writes(key: Key) -> None:
        await asyncio.sleep(0)
        done.append(key)

    passes = Passes(writes)
    async with passes.running() as queue:
        for name in "abcdef":
            queue.add(("shop", name))
        for _ in range(4):
            await asyncio.sleep(0)
        assert 2 <= len(passes.began) < 6
        assert len(done) >= len(passes.began) - 2
        await asyncio.sleep(1)
    assert len(done) == 6
