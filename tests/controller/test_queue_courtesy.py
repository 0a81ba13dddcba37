"""Passes that let others go first, and a queue that does, in virtual time: none for ever, and none keeps others out."""

from __future__ import annotations

import asyncio

import pytest

from canary.controller.due import ONE_IN, Key
from canary.controller.haste import Haste
from canary.controller.queue import GIVES_WAY_S, KeyQueue
from tests.controller.test_queue import A, B, Passes, takes_a_second

pytestmark = pytest.mark.looptime


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


async def test_a_pass_that_gives_way_goes_on_once_those_that_waited_began_and_keeps_nobody_out() -> None:
    order: list[str] = []

    async def gives_way(key: Key) -> None:
        order.append(f"{key[1]} begins")
        await asyncio.sleep(1)
        await passes.queue.give_way(key, Haste.FIRST)
        order.append(f"{key[1]} goes on")

    passes = Passes(gives_way, at_once=1)
    async with passes.running() as queue:
        for key in (A, B):
            queue.add(key, Haste.NEWS)
        await asyncio.sleep(10)
    assert order == ["a begins", "b begins", "b goes on", "a goes on"]


async def test_passes_that_go_on_leave_room_for_who_comes_in_a_hurry() -> None:
    """Else a hundred which gave way for each other would all go on at once, and nobody begin before they end."""

    async def tidies_up(key: Key) -> None:
        if key != A:
            await passes.queue.give_way(key, Haste.FIRST)
        await asyncio.sleep(1)

    passes = Passes(tidies_up, at_once=2)
    async with passes.running() as queue:
        for number in range(100):
            queue.add(("shop", str(number)), Haste.FIRST)
        await asyncio.sleep(5.5)
        queue.add(A, Haste.FIRST)
        await asyncio.sleep(100)
    assert passes.times(A) == [6.0]
    assert passes.most == 100


async def test_a_pass_that_gave_way_for_long_gets_one_in_some_places_whoever_is_in_a_hurry() -> None:
    went_on: list[float] = []

    async def gives_way(key: Key) -> None:
        if key == A:
            await passes.queue.give_way(key, Haste.FIRST)
            went_on.append(asyncio.get_running_loop().time())
        else:
            passes.queue.add(key, Haste.FIRST)
            await asyncio.sleep(1)

    passes = Passes(gives_way, at_once=1)
    async with passes.running() as queue:
        for key in (A, B, ("shop", "c")):
            queue.add(key, Haste.NEWS)
        await asyncio.sleep(100)
    [at] = went_on
    assert GIVES_WAY_S < at <= GIVES_WAY_S + ONE_IN + 1


async def test_a_pass_gives_way_to_none_that_is_in_no_hurry() -> None:
    went_on: list[tuple[float, bool]] = []

    async def gives_way(key: Key) -> None:
        if key == A:
            await asyncio.sleep(1)
            gave = await passes.queue.give_way(key, Haste.FIRST)
            went_on.append((asyncio.get_running_loop().time(), gave))
        else:
            await asyncio.sleep(60)

    passes = Passes(gives_way, at_once=1)
    async with passes.running() as queue:
        for key in (A, B, ("shop", "c")):
            queue.add(key)
        await asyncio.sleep(100)
    assert went_on == [(1, False)]


async def test_a_pass_that_is_outdated_by_what_came_meanwhile_comes_again_before_those_that_were_served() -> None:
    outdated: list[bool] = []

    async def gives_way(key: Key) -> None:
        if key == A and len(outdated) < 3:
            passes.queue.add(A)
            outdated.append(passes.queue.is_outdated(A))
        await asyncio.sleep(1)

    passes = Passes(gives_way, at_once=1)
    async with passes.running() as queue:
        await asyncio.sleep(100)
        queue.add(B)
        await asyncio.sleep(0.5)
        queue.add(A)
        queue.add(B)
        await asyncio.sleep(10)
    assert outdated == [True, False, True]
    assert [key for key, _ in passes.began] == [B, A, A, B, A, A]


@pytest.mark.parametrize(("again", "goes_on_at"), [(Haste.REST, 4.0), (Haste.FIRST, 0.3)])
async def test_a_pass_may_go_on_early_for_those_alone_that_are_in_a_hurry(again: Haste, goes_on_at: float) -> None:
    went_on: list[float] = []

    async def gives_way(key: Key) -> None:
        if key == A and not went_on:
            await passes.queue.give_way(A, Haste.FIRST)
            went_on.append(asyncio.get_running_loop().time())
        await asyncio.sleep(2)

    passes = Passes(gives_way, at_once=1)
    async with passes.running() as queue:
        for key in (A, B, ("shop", "c")):
            queue.add(key, Haste.NEWS)
        await asyncio.sleep(0.3)
        queue.add(A, again)
        await asyncio.sleep(100)
    assert went_on == [goes_on_at]


async def test_a_pass_over_a_key_that_is_asked_for_again_gives_way_no_longer() -> None:
    went_on: list[tuple[float, bool]] = []

    async def gives_way(key: Key) -> None:
        if key == A and not went_on:
            await asyncio.sleep(0.2)
            gave = await passes.queue.give_way(A)
            went_on.append((asyncio.get_running_loop().time(), gave))
        elif key != A:
            await asyncio.sleep(60)

    passes = Passes(gives_way, at_once=1)
    async with passes.running() as queue:
        queue.add(A)
        await asyncio.sleep(0.1)
        for key in (B, ("shop", "c")):
            queue.add(key, Haste.NEWS)
        await asyncio.sleep(0.2)
        queue.add(A)
        await asyncio.sleep(100)
    assert went_on == [(0.3, True)]


@pytest.mark.parametrize("haste", [Haste.FIRST, Haste.NEWS])
async def test_a_pass_that_is_in_a_hurry_itself_does_not_wait_to_tell(haste: Haste) -> None:
    """As the next try of one that met a conflict: the status says already what it is about to do."""
    gave: list[bool] = []

    async def gives_way(key: Key) -> None:
        if key == A:
            await asyncio.sleep(1)
            gave.append(await passes.queue.give_way(A))

    passes = Passes(gives_way, at_once=1)
    async with passes.running() as queue:
        queue.add(A, haste)
        await asyncio.sleep(0.5)
        queue.add(B, Haste.FIRST)
        await asyncio.sleep(10)
    assert gave == [False]
