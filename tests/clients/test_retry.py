"""The one retry policy, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from canary.clients.retry import NotSoon, Patience, retrying
from canary.errors import Rejected, Unavailable

pytestmark = pytest.mark.looptime


def failing(*errors: Exception) -> tuple[list[float], Callable[[], Awaitable[str]]]:
    """Return the times of the calls, to be filled, and a call that raises the errors in turn and then succeeds."""
    left, times = list(errors), list[float]()

    async def call() -> str:
        times.append(asyncio.get_running_loop().time())
        if left:
            raise left.pop(0)
        return "done"

    return times, call


async def test_each_wait_is_twice_as_long_as_the_one_before_and_a_bit() -> None:
    times, call = failing(*[Unavailable("down")] * 4)
    patience = Patience(tries=9, within=timedelta(minutes=1), first=1.0, longest=5.0)
    assert await retrying(call, patience) == "done"
    waits = [after - before for before, after in pairwise(times)]
    assert [least <= wait <= least + 0.5 for least, wait in zip([1, 2, 4], waits, strict=False)] == [True] * 3
    assert waits[3] == pytest.approx(5)


async def test_the_last_error_is_raised_when_the_tries_are_used_up() -> None:
    errors = [Unavailable(f"down {number}") for number in range(5)]
    times, call = failing(*errors)
    with pytest.raises(Unavailable) as caught:
        await retrying(call, Patience(tries=3))
    assert (caught.value, len(times)) == (errors[2], 3)


async def test_a_call_that_would_begin_too_late_is_not_waited_for() -> None:
    times, call = failing(Unavailable("busy", retry_after=30.0))
    with pytest.raises(Unavailable, match="busy"):
        await retrying(call, Patience(within=timedelta(seconds=30)))
    assert asyncio.get_running_loop().time() == times[0]


async def test_the_wait_that_the_other_side_asks_for_is_kept() -> None:
    times, call = failing(Unavailable("busy", retry_after=7.0))
    await retrying(call)
    assert times[1] - times[0] == pytest.approx(7)


@pytest.mark.parametrize("error", [NotSoon("login page"), Rejected("bad query"), ValueError("bug")])
async def test_what_another_try_does_not_mend_is_raised_at_once(error: Exception) -> None:
    times, call = failing(error)
    with pytest.raises(type(error)) as caught:
        await retrying(call)
    assert (caught.value, len(times)) == (error, 1)


async def test_each_failure_that_is_followed_by_a_try_is_told() -> None:
    told: list[str] = []
    _, call = failing(Unavailable("one"), Unavailable("two"), Unavailable("three"))
    with pytest.raises(Unavailable, match="three"):
        await retrying(call, Patience(tries=3), failed=lambda err: told.append(str(err)))
    assert told == ["one", "two"]
