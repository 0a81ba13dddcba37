"""Fifty rollouts at once, in virtual time: each ends as it must, and none is in the way of another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.table import IN_MEMORY, TALE, tale
from tests.scenarios.many import at_once
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime

MANY = 50


@pytest.mark.bound(600)
@pytest.mark.usefixtures("minutes")
async def test_fifty_rollouts_at_once_each_end_as_they_must(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    record_property(TALE, tale("fifty rollouts at once", {"bad": MANY // 5, "crashing": MANY // 5}, IN_MEMORY))
    await at_once(stage, MANY)
