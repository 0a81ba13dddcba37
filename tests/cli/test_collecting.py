"""Python's collector in a process that runs for long, in virtual time."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable

import pytest

from canary.cli.collecting import EVERY_S, LATEST_S, MANY, collect, collect_new, collecting

pytestmark = pytest.mark.looptime


async def collected(seconds: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> list[float]:
    """Return when a process collected that ran for so long, in seconds from its start."""
    loop, at = asyncio.get_running_loop(), list[float]()
    began = loop.time()
    task = asyncio.create_task(collecting(lambda: at.append(loop.time() - began), sleep))
    await asyncio.sleep(seconds)
    task.cancel()
    return at


async def test_a_calm_process_collects_every_five_minutes() -> None:
    assert await collected(3 * EVERY_S + 1) == [EVERY_S, 2 * EVERY_S, 3 * EVERY_S]


async def test_what_is_new_is_looked_through_at_each_calm_moment_and_at_no_other() -> None:
    loop, looks = asyncio.get_running_loop(), list[float]()

    async def late(seconds: float) -> None:
        await asyncio.sleep(seconds + 0.05 * (10 < loop.time() < 20))

    task = asyncio.create_task(collecting(lambda: None, late, lambda: looks.append(loop.time())))
    await asyncio.sleep(30)
    task.cancel()
    assert [at < 10 or at > 20 for at in looks] == [True] * len(looks)
    assert len(looks) == 6


@pytest.mark.parametrize("few", [True, False])
def test_what_is_new_is_looked_through_unless_it_is_little(monkeypatch: pytest.MonkeyPatch, few: bool) -> None:
    looked: list[int] = []
    monkeypatch.setattr(gc, "collect", looked.append)
    monkeypatch.setattr(gc, "get_count", lambda: (MANY + (not few), 0, 3))
    collect_new()
    assert looked == ([] if few else [1])


async def test_a_busy_process_collects_once_it_is_calm() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def late(seconds: float) -> None:
        busy = loop.time() - began < EVERY_S + 60
        await asyncio.sleep(seconds + 0.05 * busy)

    [at] = await collected(EVERY_S + 120, late)
    assert EVERY_S + 60 < at < EVERY_S + 66


async def test_a_process_that_is_never_calm_collects_after_fifteen_minutes() -> None:
    [at] = await collected(LATEST_S + 5, lambda seconds: asyncio.sleep(seconds + 0.05))
    assert LATEST_S <= at < LATEST_S + 2


def test_what_only_refers_to_itself_goes_however_old_it_is() -> None:
    class Knot:
        itself: Knot

    knot = Knot()
    knot.itself = knot
    gone = weakref.ref(knot)
    gc.freeze()
    del knot
    collect()
    assert gone() is None
