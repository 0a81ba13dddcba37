"""Every story ends as it must, whatever the weather; the invariants hold throughout."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.faults.sky import Sky
from tests.faults.stories import STORIES
from tests.faults.table import TALE, tale
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime


async def test_a_story_ends_as_it_must(
    stage: Stage, told: str, seed: int, record_property: Callable[[str, object], None]
) -> None:
    sky = Sky(stage, seed)
    stage.start(prepare=sky.prepare)
    await stage.onboarded()
    try:
        await STORIES[told](stage, sky, random.Random(seed))
    finally:
        record_property(TALE, tale(told, sky.faults))
