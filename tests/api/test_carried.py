"""The scenarios' own eye for a weight that nobody carries: it sees what is wrong, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from canary.ports import DEPLOYMENT
from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from tests.api.carried import Carried
from tests.api.harness import weight_at_canary
from tests.builders import ref
from tests.scenarios.conftest import stage
from tests.scenarios.stage import Stage

__all__ = ["stage"]

pytestmark = pytest.mark.looptime


def watched(stage: Stage) -> Carried:
    def weight() -> int | None:
        route = stage.cluster.store.get(ref(VIRTUAL_SERVICE))
        return None if route is None else weight_at_canary(route)

    it = Carried(stage.cluster, "shop", weight, asyncio.get_running_loop().time)
    stage.cluster.store.listen(it.note)
    return it


async def test_a_promotion_has_ready_pods_behind_its_weight_at_every_moment(stage: Stage) -> None:
    it = watched(stage)
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    assert len(it.ready()) == 2
    await stage.until_phase(Phase.SUCCEEDED)
    assert it.late == []
    it.assert_answered()


async def test_a_weight_that_stays_while_its_pods_go_is_told(stage: Stage) -> None:
    it = watched(stage)
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.controllers[-1].kill()
    stage.cluster.remove(ref(DEPLOYMENT))
    await asyncio.sleep(10)
    [lack] = it.late
    assert (lack.lasted, lack.what[:40]) == (None, "weight 50 with 0 of 2 ready pods after M")
    with pytest.raises(AssertionError, match="for ever"):
        it.assert_answered()


async def test_what_is_overlooked_by_intention_is_not_told(stage: Stage) -> None:
    it = watched(stage)
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    with it.blind():
        stage.cluster.remove(ref(DEPLOYMENT))
        await stage.until(lambda: stage.weight == 0, within=1)
    await asyncio.sleep(10)
    assert it.lacks == []
