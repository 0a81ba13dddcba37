"""In which order the queue of passes serves its keys, and which queue goes first, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from canary.controller.due import SERVED_S, Key
from canary.controller.haste import Haste
from canary.controller.queue import HASTY_FAILURES, SHORT_TURN_S
from canary.errors import CanaryError, Conflict
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


async def test_who_was_served_long_ago_waits_behind_nobody_that_came_later() -> None:
    passes = Passes(takes_a_second, at_once=1)
    async with passes.running() as queue:
        queue.add(A)
        await asyncio.sleep(1 + SERVED_S)
        queue.add(B)
        await asyncio.sleep(0.5)
        queue.add(A)
        queue.add(("shop", "c"))
        await asyncio.sleep(10)
    assert [key for key, _ in passes.began] == [A, B, A, ("shop", "c")]


async def test_after_a_pass_that_does_not_count_a_key_comes_before_those_that_were_served() -> None:
    async def counts_for_b_alone(key: Key) -> None:
        await asyncio.sleep(1)
        if key == A:
            passes.queue.does_not_count(A)

    passes = Passes(counts_for_b_alone, at_once=1)
    async with passes.running() as queue:
        await asyncio.sleep(100)
        for key in (B, A):
            queue.add(key)
        await asyncio.sleep(1.5)
        for key in (B, A):
            queue.add(key)
        await asyncio.sleep(10)
    assert [key for key, _ in passes.began] == [B, A, A, B]


async def test_who_is_in_a_hurry_comes_before_all_that_wait() -> None:
    passes = Passes(takes_a_second, at_once=1)
    async with passes.running() as queue:
        await asyncio.sleep(100)
        queue.add(A)
        await asyncio.sleep(0.5)
        queue.add(B)
        queue.add(A, Haste.FIRST)  # while it runs, and though it was served just now
        await asyncio.sleep(10)
    assert [key for key, _ in passes.began] == [A, A, B]


async def test_who_comes_to_be_in_a_hurry_while_it_waits_comes_before_all_others() -> None:
    passes = Passes(takes_a_second, at_once=1)
    others = [("shop", name) for name in "cde"]
    async with passes.running() as queue:
        for key in (*others, A, B):
            queue.add(key)
        queue.add(B, Haste.NEWS)
        await asyncio.sleep(0.5)
        queue.add(A, Haste.FIRST)
        assert len(queue) == 4
        await asyncio.sleep(10)
    assert passes.began == [(key, at) for at, key in enumerate((B, A, *others))]


async def test_who_goes_on_failing_is_in_no_hurry_any_more() -> None:
    async def fails(key: Key) -> None:
        await asyncio.sleep(1)
        if key == A:
            raise CanaryError("refused")

    passes = Passes(fails, at_once=1)
    async with passes.running() as queue:
        queue.add(A, Haste.FIRST)
        await asyncio.sleep(3.7)  # the third pass has just failed
        for key in (B, ("shop", "c")):
            queue.add(key)
        await asyncio.sleep(10)
    assert [key for key, _ in passes.began][: HASTY_FAILURES + 4] == [*[A] * (HASTY_FAILURES + 1), B, ("shop", "c"), A]


async def test_a_pass_that_failed_leaves_its_haste_to_the_next() -> None:
    async def meets_a_newer_version_once(key: Key) -> None:
        await asyncio.sleep(1)
        if key == A and len(passes.times(A)) == 1:
            raise Conflict("changed")

    passes = Passes(meets_a_newer_version_once, at_once=1)
    async with passes.running() as queue:
        queue.add(A, Haste.FIRST)
        await asyncio.sleep(0.5)
        for key in (B, ("shop", "c"), A):
            queue.add(key)
        await asyncio.sleep(10)
    assert [key for key, _ in passes.began] == [A, A, B, ("shop", "c")]


async def test_what_does_not_count_leaves_its_haste_to_the_next() -> None:
    async def counts_but_once(key: Key) -> None:
        await asyncio.sleep(1)
        if key == A and len(passes.times(A)) == 1:
            passes.queue.does_not_count(A)

    passes = Passes(counts_but_once, at_once=1)
    async with passes.running() as queue:
        queue.add(A, Haste.NEWS)
        await asyncio.sleep(0.5)
        for key in (B, A, ("shop", "c")):
            queue.add(key)
        await asyncio.sleep(1)
        queue.add(A)
        await asyncio.sleep(10)
    assert [key for key, _ in passes.began] == [A, A, B, ("shop", "c"), A]


@pytest.mark.parametrize(("busy", "order"), [(True, ["a 3", "b 0"]), (False, ["b 0", "a 3"])])
async def test_none_begins_while_those_under_way_keep_the_processor_busy(
    monkeypatch: pytest.MonkeyPatch, busy: bool, order: list[str]
) -> None:
    turned: list[str] = []
    at = 0.0

    async def turns(key: Key) -> None:
        nonlocal at
        for number in range(4):
            turned.append(f"{key[1]} {number}")
            at += 2 * SHORT_TURN_S if busy else 0.0
            await asyncio.sleep(0)

    passes = Passes(turns)
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: at)
    monkeypatch.setattr("canary.controller.queue.LONGEST_TURNS_S", 60.0)
    async with passes.running() as queue:
        for key in (A, B):
            queue.add(key)
        for _ in range(40):
            await asyncio.sleep(0)
    assert [each for each in turned if each in order] == order


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
