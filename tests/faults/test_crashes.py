"""The lives in which `make test` kills the controller after every third write only: here after each one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.bounded import MINUTES_S
from tests.faults.table import TALE, tale
from tests.scenarios.branches import Branches
from tests.scenarios.faults import CrashInEach
from tests.scenarios.stage import Stage
from tests.scenarios.test_crashes import LIVES

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("minutes"), pytest.mark.bound(2 * MINUTES_S)]

SAMPLED = {name: life for name, life in LIVES.items() if life.step > 1}


@pytest.mark.parametrize("name", SAMPLED)
async def test_it_survives_a_crash_after_every_write(
    stage: Stage, branches: Branches, name: str, record_property: Callable[[str, object], None]
) -> None:
    life = SAMPLED[name]
    await life.begin(stage)
    crashes = CrashInEach(stage, branches, range(1, life.writes + 1))
    await life.live(stage)
    await stage.rest(1)
    crashes.assert_all()
    life.holds(stage)
    record_property(TALE, tale(f"{name}, killed after each write", {"killed": life.writes}))
