"""A clock that jumps ahead is noticed once; one that comes late, or falls back and comes up again, is none that did."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from canary.controller.jumps import Jumps

pytestmark = pytest.mark.looptime

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Ahead:
    """A clock that goes on as this process's own, `by` seconds ahead of it."""

    by = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=asyncio.get_running_loop().time() + self.by)


@pytest.mark.parametrize(
    ("offsets", "jumps"),
    [
        ([0, 0, 0], 0),
        ([0, 1.9, 1.9], 0),
        ([0, 2.1, 2.1], 1),
        ([0, 60, 60, 0, 60, 30, 60], 1),
        ([0, -30, 0, -5, 0], 0),
        ([0, 60, 120], 2),
    ],
    ids=["it goes on", "whole seconds", "ahead", "servers that do not agree", "answers that come late", "twice"],
)
async def test_a_jump_is_what_takes_the_clock_further_ahead_than_ever(offsets: list[float], jumps: int) -> None:
    clock = Ahead()
    watched, seen = Jumps(clock), []
    for clock.by in offsets:
        await asyncio.sleep(10)
        assert watched.now() == clock.now()
        seen.append(watched.latest)
    assert len(set(seen) - {None}) == jumps


async def test_it_tells_the_first_time_that_was_read_after_the_jump() -> None:
    clock = Ahead()
    watched = Jumps(clock)
    watched.now()
    clock.by = 3600
    await asyncio.sleep(1)
    at = watched.now()
    await asyncio.sleep(30)
    watched.now()
    assert watched.latest == at == NOON + timedelta(seconds=3601)
