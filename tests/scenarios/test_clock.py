"""The API server's clock jumps ahead: no step, no drain and no patience with what serves is cut short by that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from canary.ports import DEPLOYMENT
from canary.rollout.phases import Phase
from canary.sandbox.clock import LoopClock
from tests.builders import ref
from tests.embedded import ready_images
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime

SETTLE_AND_STEP = 10 + 20


@pytest.fixture
def jump(stage: Stage) -> Callable[[float], None]:
    """Set the clock ahead by so many seconds."""
    clock = stage.cluster.clock
    assert isinstance(clock, LoopClock)

    def ahead(seconds: float) -> None:
        clock._now = clock.now() + timedelta(seconds=seconds)

    return ahead


@pytest.mark.parametrize("seconds", [20, 300, 36000])
async def test_a_step_lasts_its_time_and_is_judged_by_as_much_as_ever(
    stage: Stage, jump: Callable[[float], None], seconds: float
) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    await stage.rest(SETTLE_AND_STEP - 5)
    jump(seconds)
    await stage.rest(SETTLE_AND_STEP - 1)
    assert (stage.weight, stage.status.checks) == (20, ()), "no window is long enough yet"
    await stage.until_weight(50, within=15)
    await stage.until_serving("2.0")
    assert stage.weights == [0, 20, 50, 0]


async def test_pods_drain_as_long_as_ever_before_they_go(stage: Stage, jump: Callable[[float], None]) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.command("abort")
    await stage.until_weight(0, within=1)
    jump(300)
    await stage.rest(14)
    assert ready_images(stage.cluster) != []
    await stage.until_phase(Phase.FAILED, within=20)


async def test_pods_are_not_late_because_the_clock_is_ahead(stage: Stage, jump: Callable[[float], None]) -> None:
    await stage.onboarded(progressDeadline="60s")
    stage.push("2.0")
    await stage.until_phase(Phase.PROGRESSING)
    jump(300)
    await stage.until_serving("2.0")


async def test_what_serves_outlives_its_deployment_as_long_as_ever(stage: Stage, jump: Callable[[float], None]) -> None:
    await stage.onboarded()
    stage.cluster.remove(ref(DEPLOYMENT))
    await stage.until(lambda: "TargetGone" in stage.reasons)
    jump(3600)
    await stage.rest(590)
    assert stage.serving == ["1.0"] * 3
    await stage.until(lambda: stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is None)


async def test_at_rest_a_jump_writes_nothing(stage: Stage, jump: Callable[[float], None]) -> None:
    await stage.onboarded()
    await stage.rest()
    stage.client.requests.clear()
    jump(3600)
    stage.edit_spec(analysis={"interval": "30s"})  # any event
    await stage.rest()
    assert stage.client.requests.writes <= 1, "the generation that was seen"
