"""The controller is killed while configuration is copied, promoted and cleaned up: nothing is lost or left behind."""

from __future__ import annotations

import pytest

from canary.ports import CANARY, CONFIG_MAP
from canary.rollout.phases import Phase
from tests.bounded import MINUTES_S
from tests.builders import config_map, ref
from tests.scenarios.branches import Branches
from tests.scenarios.configured import configured, copies
from tests.scenarios.faults import Crashes, CrashInEach
from tests.scenarios.stage import Stage
from tests.scenarios.test_leaving import left_over

pytestmark = pytest.mark.looptime


@pytest.mark.bound(MINUTES_S)
async def test_a_rollout_of_config_survives_a_crash_after_any_write_of_its_start(
    stage: Stage, branches: Branches
) -> None:
    holding = await configured(stage)
    crashes = CrashInEach(stage, branches, range(1, 13))
    stage.cluster.apply(config_map(text="new"))
    await stage.until_phase(Phase.SUCCEEDED)
    crashes.assert_all()
    assert (stage.weights, holding.serving) == ([0, 20, 50, 0], ["new"] * 3)


@pytest.mark.parametrize("every", [2, 3, 5, 7])
async def test_it_survives_one_crash_after_another_and_leaves_one_copy(stage: Stage, every: int) -> None:
    holding = await configured(stage)
    crashes = Crashes(stage, every, times=100)
    stage.cluster.apply(config_map(text="new"))
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.rest()
    assert crashes.killed >= 3
    assert (holding.serving, list(copies(stage).values())) == (["new"] * 3, ["new"])


@pytest.mark.bound(MINUTES_S)
async def test_leaving_takes_the_copies_away_whatever_crashes(stage: Stage, branches: Branches) -> None:
    holding = await configured(stage)
    crashes = CrashInEach(stage, branches, range(1, 18))
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: left_over(stage) == [] and stage.cluster.store.get(ref(CANARY)) is None)
    crashes.assert_all()
    assert holding.by("checkout") == ["old"] * 3
    assert [one["metadata"]["name"] for one in stage.cluster.store.list(CONFIG_MAP, "shop")] == ["app-config"]
