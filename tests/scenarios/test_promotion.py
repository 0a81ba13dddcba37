"""A good version, from the push to the primary."""

from __future__ import annotations

import pytest

from canary.controller.pods import listed_behind
from canary.rollout.phases import Phase
from canary.sandbox.simulated import CRASHING, NEVER_READY
from meshes.contract import Manifest
from tests.builders import deployment, service
from tests.scenarios.stage import Stage, analysis, image

pytestmark = pytest.mark.looptime

PROMOTED = ["Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]


async def test_a_good_version_goes_through_all_steps_and_is_promoted(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.phases == PROMOTED
    assert stage.weights == [0, 20, 50, 0]
    assert stage.serving == ["2.0"] * 3
    assert stage.candidate == (0, False)
    assert stage.history == [("2.0", "promoted")]
    assert stage.reasons == [
        "RolloutStarted",
        "WeightAdvanced",
        "WeightAdvanced",
        "PromotionStarted",
        "Promoted",
        "Succeeded",
    ]
    assert [note.reason for note in stage.told.notes] == stage.reasons[:-1]


async def test_each_weight_lasts_its_time(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis({"weight": 10, "duration": "90s"}, {"weight": 40}))
    await stage.pushed("2.0", 10)
    await stage.rest(95)
    assert stage.weight == 10
    await stage.until_weight(40, within=20)
    await stage.until_phase(Phase.PROMOTING, within=40)


async def test_a_second_version_follows_the_first(stage: Stage) -> None:
    await stage.onboarded()
    for tag in ("2.0", "3.0"):
        stage.push(tag)
        await stage.until_serving(tag)
    assert stage.phases == [*PROMOTED, *PROMOTED[1:]]
    assert stage.weights == [0, 20, 50, 0, 20, 50, 0]
    assert stage.history == [("2.0", "promoted"), ("3.0", "promoted")]
    assert stage.serving == ["3.0"] * 3


async def test_skip_analysis_promotes_without_a_weight(stage: Stage) -> None:
    await stage.onboarded(skipAnalysis=True)
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.phases == PROMOTED
    assert stage.weights == [0]
    assert stage.metrics.asked == 0
    assert stage.serving == ["2.0"] * 3


async def test_skip_analysis_promotes_nothing_that_does_not_become_ready(stage: Stage) -> None:
    stage.runtime.by_tag["2.0"] = CRASHING
    await stage.onboarded(skipAnalysis=True)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    assert stage.phases == ["Initialized", "Progressing", "RollingBack", "Failed"]
    assert stage.serving == ["1.0"] * 3


async def test_a_pause_step_holds_until_resume(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis({"weight": 20, "pause": True}, {"weight": 50}))
    stage.push("2.0")
    await stage.until_phase(Phase.PAUSED)
    await stage.rest(400)
    assert (stage.status.phase, stage.weight) == (Phase.PAUSED, 20)
    stage.command("resume")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.phases == ["Initialized", "Progressing", "Paused", *PROMOTED[1:]]
    assert stage.weights == [0, 20, 50, 0]


async def test_what_is_promoted_is_what_was_analysed_though_another_version_came_meanwhile(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.PROMOTING)
    stage.push("3.0")
    await stage.until(lambda: stage.serving == ["2.0"] * 3, within=30)
    await stage.until(lambda: stage.serving == ["3.0"] * 3)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.history == [("2.0", "promoted"), ("3.0", "promoted")]
    assert stage.weights == [0, 20, 50, 0, 20, 50, 0]


async def test_a_primary_that_does_not_become_ready_is_put_back(stage: Stage) -> None:
    await stage.onboarded(progressDeadline="60s")
    await stage.pushed("2.0", 50)
    stage.runtime.by_tag["2.0"] = NEVER_READY
    await stage.until_phase(Phase.FAILED)
    assert stage.phases == ["Initialized", "Progressing", "Promoting", "RollingBack", "Failed"]
    await stage.until(lambda: stage.serving == ["1.0"] * 3)
    assert stage.weights == [0, 20, 50, 0]
    assert stage.history == [("2.0", "rolled_back")]
    assert "pods of the primary were ready with it within 60 s" in stage.status.message


async def test_each_raise_of_the_weight_says_what_let_it_rise(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.PROMOTING)
    raised = [note.text for note in stage.told.notes if note.reason == "WeightAdvanced"]
    assert raised == [
        "Weight raised from 0 to 20 %, step 1 of 2",
        "Weight raised from 20 to 50 %, step 2 of 2: passed, "
        "success-rate is 100 % (at least 99 %): 0 bad of 1000 requests in 20 s",
    ]


def versioned(tag: str, version: str) -> Manifest:
    made = deployment(image=image(tag), replicas=None)
    made["spec"]["template"]["metadata"]["labels"] = {"app": "checkout", "version": version}
    return made


async def test_a_service_of_a_label_that_only_a_newer_version_has_bars_no_rollout_of_it(stage: Stage) -> None:
    """It leads to nobody until that version is promoted."""
    await stage.onboarded(versioned("1.0", "v1"), service("next", selector={"app": "checkout", "version": "v2"}))
    stage.cluster.apply(versioned("2.0", "v2"))
    await stage.until_weight(20)
    assert listed_behind(stage.client, "shop", "next").ready == frozenset()
    await stage.until_serving("2.0")
    assert stage.weights == [0, 20, 50, 0]
    assert len(listed_behind(stage.client, "shop", "next").ready) == 3


async def test_pods_that_must_be_ready_for_long_before_the_next_take_no_version_its_promotion(stage: Stage) -> None:
    await stage.onboarded(progressDeadline="2m")
    stage.push("2.0", minReadySeconds=300)
    await stage.until_phase(Phase.PROMOTING)
    await stage.until(lambda: stage.serving == ["2.0"] * 3, within=1200)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.phases == PROMOTED
