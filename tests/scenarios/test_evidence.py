"""Little evidence and none: held, never taken for a good sign unasked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from canary.rollout.model import Result
from canary.rollout.phases import Phase
from canary.sandbox.simulated import PodBehaviour
from canary.settings import Settings
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize(
    ("policy", "phase", "history"),
    [
        ("rollback", Phase.FAILED, [("2.0", "rolled_back")]),
        ("promote", Phase.SUCCEEDED, [("2.0", "promoted")]),
    ],
)
async def test_no_data_ends_as_its_policy_says_after_its_patience(
    stage: Stage, policy: str, phase: Phase, history: list[tuple[str, str]]
) -> None:
    await stage.onboarded(analysis=analysis(noData=policy, noDataTimeout="3m"))
    stage.canary_traffic(rate=0)
    stage.primary_traffic(rate=0)
    await stage.pushed("2.0", 20)
    await stage.rest(180)
    assert (stage.status.phase, stage.weight) == (Phase.PROGRESSING, 20)
    await stage.until_phase(phase, within=90)
    assert stage.weights == [0, 20, 0]
    assert stage.history == history
    assert stage.reasons.count("NoData") == 1


async def test_no_data_holds_for_as_long_as_is_asked(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis(noData="hold", noDataTimeout="1m"))
    stage.canary_traffic(rate=0)
    stage.primary_traffic(rate=0)
    await stage.pushed("2.0", 20)
    await stage.rest(400)
    assert (stage.status.phase, stage.weight) == (Phase.PROGRESSING, 20)
    stage.canary_traffic(rate=50)
    await stage.until_phase(Phase.SUCCEEDED)


async def test_thin_evidence_goes_one_step_up_to_find_more(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis(20, 50, minRequests=10))
    stage.canary_traffic(rate=0.1)
    await stage.pushed("2.0", 20)
    await stage.until_weight(50, within=120)
    await stage.rest(1)
    assert stage.reasons[-2:] == ["ThinEvidence", "WeightAdvanced"]
    stage.canary_traffic(rate=5)
    await stage.until_phase(Phase.SUCCEEDED)


async def test_thin_evidence_promotes_nothing(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis(20, 50, noDataTimeout="5m"))
    stage.canary_traffic(rate=0.01)
    await stage.pushed("2.0", 50)
    await stage.until_phase(Phase.FAILED)
    assert stage.weights == [0, 20, 50, 0]
    assert "too few requests for 5 min" in stage.status.message


@pytest.mark.parametrize("fault", ["down", "broken"])
async def test_a_prometheus_that_never_answers_holds_the_split_and_is_told_once(stage: Stage, fault: str) -> None:
    await stage.onboarded()
    setattr(stage.metrics, fault, True)
    await stage.pushed("2.0", 20)
    await stage.rest(400)
    assert (stage.status.phase, stage.weight) == (Phase.PROGRESSING, 20)
    assert stage.reasons.count("MetricsUnavailable") == 1
    assert [check.verdict for check in stage.status.checks] == [Result.ERROR]
    setattr(stage.metrics, fault, False)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.reasons.count("MetricsBack") == 1


async def test_a_prometheus_that_is_down_is_told_again_after_an_hour(stage: Stage) -> None:
    stage.settings = Settings(mesh="istio", scrape_interval=timedelta(minutes=1))
    await stage.onboarded(analysis=analysis(interval="5m"))
    stage.metrics.down = True
    await stage.pushed("2.0", 20)
    await stage.rest(2 * 3600 + 900)
    assert stage.reasons.count("MetricsUnavailable") == 3


async def test_pods_that_crash_are_rolled_back_though_prometheus_is_down(stage: Stage) -> None:
    stage.runtime.by_tag["2.0"] = PodBehaviour(dies_after=15.0)
    await stage.onboarded()
    stage.metrics.down = True
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    assert stage.serving == ["1.0"] * 3
