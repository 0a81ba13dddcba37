"""The controller is killed after any of its writes: the next one ends the rollout as it would have ended."""

from __future__ import annotations

import pytest

from canary.ports import CANARY
from canary.rollout.phases import Phase
from tests.builders import canary, ref
from tests.scenarios.faults import Crashes
from tests.scenarios.stage import Stage, analysis
from tests.scenarios.test_leaving import assert_serves_alone, left_over

pytestmark = pytest.mark.looptime

WRITES = 45
"""More than a promotion, a rollback or an onboarding has, Events included; a test below sees to it."""


async def promote(stage: Stage) -> None:
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)


async def roll_back(stage: Stage) -> None:
    stage.canary_traffic(bad=0.2)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)


def assert_promoted(stage: Stage) -> None:
    assert stage.serving == ["2.0"] * 3
    assert (stage.candidate, stage.weight) == ((0, False), 0)
    assert stage.history == [("2.0", "promoted")]


def assert_rolled_back(stage: Stage) -> None:
    assert stage.serving == ["1.0"] * 3
    assert (stage.candidate, stage.weight) == ((0, False), 0)
    assert stage.history == [("2.0", "rolled_back")]


@pytest.mark.parametrize("number", range(1, WRITES + 1))
async def test_a_promotion_survives_a_crash_after_any_write(stage: Stage, number: int) -> None:
    await stage.onboarded()
    Crashes(stage, number)
    await promote(stage)
    assert stage.phases == ["Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]
    assert stage.weights == [0, 20, 50, 0]
    assert_promoted(stage)


@pytest.mark.parametrize("number", range(1, WRITES + 1))
async def test_a_rollback_survives_a_crash_after_any_write(stage: Stage, number: int) -> None:
    await stage.onboarded()
    Crashes(stage, number)
    await roll_back(stage)
    assert stage.phases == ["Initialized", "Progressing", "RollingBack", "Failed"]
    assert stage.weights == [0, 20, 0]
    assert_rolled_back(stage)


@pytest.mark.parametrize("number", range(1, 26))
async def test_an_onboarding_survives_a_crash_after_any_write(stage: Stage, number: int) -> None:
    await stage.there()
    stage.start()
    Crashes(stage, number)
    stage.cluster.apply(canary(analysis=analysis()))
    await stage.until_phase(Phase.INITIALIZED)
    assert stage.phases == ["Initializing", "Initialized"]
    assert stage.serving == ["1.0"] * 3
    assert (stage.candidate, stage.weight) == ((0, False), 0)


@pytest.mark.parametrize("number", range(1, 26))
async def test_leaving_survives_a_crash_after_any_write(stage: Stage, number: int) -> None:
    await stage.onboarded()
    Crashes(stage, number)
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: left_over(stage) == [])
    assert_serves_alone(stage)


@pytest.mark.parametrize("every", [7, 9, 13])
async def test_a_promotion_survives_one_crash_after_another(stage: Stage, every: int) -> None:
    await stage.onboarded()
    crashes = Crashes(stage, every, times=100)
    await promote(stage)
    assert crashes.killed >= 3
    assert_promoted(stage)


async def test_the_crashes_above_come_after_every_write_of_a_rollout(stage: Stage) -> None:
    await stage.onboarded()
    stage.client.requests.clear()
    await promote(stage)
    assert 20 < stage.client.requests.writes < WRITES
    stage.client.requests.clear()
    stage.canary_traffic(bad=0.2)
    stage.push("3.0")
    await stage.until_phase(Phase.FAILED)
    assert 15 < stage.client.requests.writes < WRITES
    stage.client.requests.clear()
    stage.cluster.remove(ref(CANARY))
    stage.push("2.0")
    await stage.until(lambda: left_over(stage) == [])
    assert 8 < stage.client.requests.writes < 26
