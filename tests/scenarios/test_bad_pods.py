"""A version whose pods do not even run: noticed without any request."""

from __future__ import annotations

import pytest

from canary.rollout.phases import Phase
from canary.sandbox.simulated import CRASHING, NEVER_READY, UNPULLABLE, PodBehaviour
from tests.embedded import pods_of
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime

NEVER_SERVED = ["Initialized", "Progressing", "RollingBack", "Failed"]


@pytest.mark.parametrize(
    ("behaviour", "within", "because"),
    [
        pytest.param(CRASHING, 45, "its pods were restarted 3 times", id="three restarts"),
        pytest.param(UNPULLABLE, 65, "its image could not be pulled for 60 s", id="a minute of pull errors"),
        pytest.param(NEVER_READY, 95, "only 0 of 1 pods were ready within 90 s", id="the deadline"),
    ],
)
async def test_a_version_that_does_not_run_gets_no_request(
    stage: Stage, behaviour: PodBehaviour, within: float, because: str
) -> None:
    stage.runtime.by_tag["2.0"] = behaviour
    await stage.onboarded(progressDeadline="90s")
    stage.push("2.0")
    await stage.until(lambda: stage.status.phase is Phase.ROLLING_BACK, within=within)
    await stage.until_phase(Phase.FAILED)
    assert because in stage.status.message
    assert (stage.phases, stage.weights) == (NEVER_SERVED, [0])
    assert (stage.serving, stage.candidate) == (["1.0"] * 3, (0, False))
    assert stage.history == [("2.0", "rolled_back")]
    assert stage.reasons == ["RolloutStarted", "RolledBack", "Failed"]


async def test_a_quota_ends_it_at_the_deadline_with_its_words(stage: Stage) -> None:
    await stage.onboarded(progressDeadline="60s")
    stage.cluster.limit_pods("shop", 3)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    assert "exceeded quota" in stage.status.message
    assert stage.weights == [0]


async def test_pods_that_die_lower_the_weight_within_a_second(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.runtime.by_tag["2.0"] = NEVER_READY
    first, second = (pod["metadata"]["name"] for pod in pods_of(stage.cluster, "checkout"))
    stage.runtime.kill(first)
    await stage.until(lambda: stage.weight == 33, within=1)
    stage.runtime.kill(second)
    await stage.until(lambda: stage.weight == 0, within=1)
    stage.runtime.by_tag["2.0"] = PodBehaviour()
    assert stage.status.phase is Phase.PROGRESSING


async def test_pods_that_come_back_carry_their_weight_again(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.runtime.kill(pods_of(stage.cluster, "checkout")[0]["metadata"]["name"])
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 50, 33, 50, 0]
    assert stage.history == [("2.0", "promoted")]


async def test_a_version_that_crashes_under_load_is_rolled_back(stage: Stage) -> None:
    stage.runtime.by_tag["2.0"] = PodBehaviour(dies_after=15.0)
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    assert "its pods were restarted 3 times" in stage.status.message
    assert stage.serving == ["1.0"] * 3
