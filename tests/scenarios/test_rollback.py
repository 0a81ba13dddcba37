"""A bad version: noticed by what Prometheus says, with the traffic back at the primary at once."""

from __future__ import annotations

import pytest

from canary.rollout.phases import Phase
from canary.sandbox.simulated import PodBehaviour
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime

ROLLED_BACK = ["Initialized", "Progressing", "RollingBack", "Failed"]
LATENCY = {"name": "latency", "builtin": "latency-p95", "max": "500ms"}


def assert_as_before(stage: Stage, tag: str = "2.0") -> None:
    """The old version serves at full size, the candidate is gone, and the history says so."""
    assert stage.serving == ["1.0"] * 3
    assert stage.candidate == (0, False)
    assert stage.history == [(tag, "rolled_back")]
    assert stage.weight == 0


async def test_too_many_failed_evaluations_end_it(stage: Stage) -> None:
    await stage.onboarded()
    stage.canary_traffic(bad=0.03)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    assert stage.phases == ROLLED_BACK
    assert stage.weights == [0, 20, 0]
    assert stage.reasons == [
        "RolloutStarted", "WeightAdvanced", "CheckFailed", "CheckFailed", "CheckFailed", "RolledBack", "Failed",
    ]  # fmt: skip
    assert stage.status.failed_checks == 3
    assert "3 failed evaluations, the last: success-rate is 97 % (at least 99 %)" in stage.status.message
    assert_as_before(stage)


async def test_fewer_failures_than_allowed_are_forgiven(stage: Stage) -> None:
    await stage.onboarded()
    stage.canary_traffic(bad=0.03)
    await stage.pushed("2.0")
    await stage.until(lambda: stage.status.failed_checks == 2)
    stage.canary_traffic(bad=0.0)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.history == [("2.0", "promoted")]


async def test_slow_answers_end_it(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis(checks=[LATENCY], maxFailures=2))
    stage.canary_traffic(slow=0.2)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    assert stage.phases == ROLLED_BACK
    assert stage.weights == [0, 20, 0]
    assert "2 failed evaluations, the last: latency is" in stage.status.message
    assert_as_before(stage)


FAST_S = 10 + 2 * 5 / 3 + 2 * 5 + 1
"""Settling, at most two places on the grid of windows, two scrapes, and the asking."""


async def test_ten_times_the_allowed_ends_it_after_two_scrapes(stage: Stage) -> None:
    await stage.onboarded()
    stage.canary_traffic(bad=0.2)
    await stage.pushed("2.0")
    await stage.until_weight(0, within=FAST_S)
    assert "failing fast, success-rate is 80 %" in stage.status.message
    await stage.until_phase(Phase.FAILED)
    assert stage.phases == ROLLED_BACK
    assert_as_before(stage)


async def test_a_version_that_only_fails_ends_after_two_scrapes(stage: Stage) -> None:
    await stage.onboarded()
    stage.canary_traffic(bad=1.0)
    await stage.pushed("2.0")
    await stage.until_weight(0, within=FAST_S)
    await stage.until_phase(Phase.FAILED)
    assert_as_before(stage)


async def test_a_version_that_turns_bad_in_its_last_step_is_rolled_back(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.canary_traffic(bad=0.5)
    await stage.until_phase(Phase.FAILED)
    assert stage.weights == [0, 20, 50, 0]
    assert_as_before(stage)


async def test_a_version_that_fails_while_it_is_promoted_is_put_back(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.runtime.by_tag["2.0"] = PodBehaviour(ready_after=60.0)
    await stage.until_phase(Phase.PROMOTING)
    stage.canary_traffic(bad=0.5)
    await stage.until_phase(Phase.FAILED)
    assert stage.phases == ["Initialized", "Progressing", "Promoting", "RollingBack", "Failed"]
    await stage.until(lambda: stage.serving == ["1.0"] * 3)
    assert_as_before(stage)


async def test_both_sides_failing_is_the_environment_and_is_waited_out(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.canary_traffic(bad=0.5)
    stage.primary_traffic(bad=0.5)
    await stage.until_weight(0, within=25)
    await stage.rest(120)
    assert (stage.status.phase, stage.weight) == (Phase.PROGRESSING, 0)
    stage.canary_traffic(bad=0.0)
    stage.primary_traffic(bad=0.0)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.phases == ["Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]
    assert stage.weights == [0, 20, 50, 0, 20, 50, 0]
    assert {"EnvironmentFailing", "EnvironmentRecovered"} <= set(stage.reasons)


async def test_a_second_environment_verdict_ends_it(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    for bad in (0.5, 0.0):
        stage.canary_traffic(bad=bad)
        stage.primary_traffic(bad=bad)
        await stage.until_weight(0 if bad else 20)
    stage.canary_traffic(bad=0.5)
    stage.primary_traffic(bad=0.5)
    await stage.until_phase(Phase.FAILED)
    assert "a second time" in stage.status.message
    assert_as_before(stage)
