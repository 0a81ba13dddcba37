"""An API server that loses requests and answers, and a controller that neither loses its way nor its patience."""

from __future__ import annotations

import pytest

from canary.ports import EVENT
from canary.rollout.phases import Phase
from tests.bounded import MINUTES_S
from tests.builders import canary
from tests.scenarios.branches import Branches
from tests.scenarios.faults import ConflictInEach, weather
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("seed", range(10))
async def test_a_promotion_ends_right_though_calls_fail_at_random(stage: Stage, seed: int) -> None:
    await stage.there()
    stage.start(prepare=weather(seed, 0.15))
    stage.cluster.apply(canary(analysis=analysis()))
    await stage.until_phase(Phase.INITIALIZED)
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.serving == ["2.0"] * 3
    assert stage.history == [("2.0", "promoted")]
    assert stage.weight == 0
    assert stage.client.requests.counts.total() < 200


@pytest.mark.parametrize("seed", range(6))
async def test_a_rollback_ends_right_though_calls_fail_at_random(stage: Stage, seed: int) -> None:
    await stage.onboarded()
    weather(seed, 0.3)(stage.client)
    stage.canary_traffic(bad=0.5)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    await stage.until(lambda: stage.candidate == (0, False))
    assert stage.serving == ["1.0"] * 3
    assert stage.history == [("2.0", "rolled_back")]
    assert stage.client.requests.counts.total() < 200


PROMOTION = ["RolloutStarted", "WeightAdvanced", "WeightAdvanced", "PromotionStarted", "Promoted"]


@pytest.mark.bound(MINUTES_S)
async def test_what_the_status_says_is_told_though_a_write_after_it_meets_a_conflict(
    stage: Stage, branches: Branches
) -> None:
    await stage.onboarded()
    conflict = ConflictInEach(stage, branches, range(1, 25))
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    conflict.assert_all()
    assert stage.reasons == [*PROMOTION, "Succeeded"], conflict.met
    assert [note.reason for note in stage.told.notes] == PROMOTION


async def test_a_server_that_refuses_everything_is_asked_again_with_patience(stage: Stage) -> None:
    await stage.onboarded()
    weather(1, 1.0)(stage.client)
    stage.client.requests.clear()
    stage.push("2.0")
    await stage.rest(600)
    asked = sum(count for (_, kind), count in stage.client.requests.counts.items() if kind != EVENT)
    assert asked < 150
    assert stage.serving == ["1.0"] * 3
