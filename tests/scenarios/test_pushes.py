"""Pushes at any time: what is under analysis is the newest version, and what serves is never touched."""

from __future__ import annotations

from typing import Any

import pytest

from canary.ports import CANARY, DEPLOYMENT
from canary.rollout.phases import Phase
from canary.sandbox.simulated import CRASHING
from tests.builders import deployment, ref
from tests.scenarios.stage import Stage, image

pytestmark = pytest.mark.looptime

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def restart(stage: Stage, at: str = "2026-01-01T10:00:00Z") -> None:
    """As `kubectl rollout restart` does."""
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: at}}}}})


async def test_a_push_in_mid_rollout_starts_again_with_the_newest(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.push("3.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 50, 0, 20, 50, 0]
    assert stage.history == [("2.0", "superseded"), ("3.0", "promoted")]
    assert stage.serving == ["3.0"] * 3


async def test_no_version_is_called_by_a_hash_that_nothing_else_bears(stage: Stage) -> None:
    """The held Deployment has no ReplicaSet of what was pushed, hence no name of it yet."""
    await stage.onboarded()
    await stage.pushed("2.0")
    first = stage.cluster.now(ref(CANARY))["status"]["revision"]
    stage.push("3.0")
    await stage.until_phase(Phase.SUCCEEDED)
    second = stage.cluster.now(ref(CANARY))["status"]["revision"]
    superseded = f"Superseded: another version ({image('3.0')}) came while {first} was at 20 %"
    assert [(one.revision, one.message) for one in stage.status.history][1] == (first, superseded)
    told = [note.text for note in stage.told.notes]
    assert superseded in told
    assert f"Rollout of {second} ({image('3.0')}) started" in "; ".join(told)


async def test_two_pushes_in_mid_rollout(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    await stage.pushed("3.0", 20)
    await stage.until(lambda: len(stage.history) == 1 and stage.weight == 20)
    stage.push("4.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.history == [("2.0", "superseded"), ("3.0", "superseded"), ("4.0", "promoted")]
    assert stage.weights == [0, 20, 0, 20, 0, 20, 50, 0]


async def test_bursts_of_five_end_in_the_last(stage: Stage) -> None:
    await stage.onboarded()
    for burst in (2, 3):
        for number in range(5):
            stage.push(f"{burst}.{number}")
            await stage.rest(0.3)
        await stage.rest(40)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.serving == ["3.4"] * 3
    assert stage.history[-1] == ("3.4", "promoted")
    assert {outcome for _, outcome in stage.history[:-1]} <= {"superseded"}


async def test_a_revert_in_mid_rollout_is_no_failure(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.push("1.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.phases == ["Initialized", "Progressing", "Finalizing", "Succeeded"]
    assert stage.weights == [0, 20, 50, 0]
    assert stage.history == [("2.0", "reverted")]
    assert (stage.serving, stage.candidate) == (["1.0"] * 3, (0, False))


async def failed(stage: Stage) -> None:
    """Version 2.0 was rolled back."""
    await stage.onboarded()
    stage.runtime.by_tag["2.0"] = CRASHING
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    stage.runtime.by_tag.clear()
    stage.forget()


async def test_a_revert_after_a_failure_ends_in_success(stage: Stage) -> None:
    await failed(stage)
    stage.push("1.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert (stage.phases, stage.weights, stage.reasons) == (["Failed", "Succeeded"], [0], ["Reverted"])


async def test_the_failed_version_is_not_tried_again_unasked(stage: Stage) -> None:
    await failed(stage)
    stage.push("1.0")
    await stage.until_phase(Phase.SUCCEEDED)
    stage.push("2.0")
    await stage.rest(300)
    assert (stage.phases, stage.weights) == (["Failed", "Succeeded"], [0])
    assert "failed before and is not tried again" in stage.status.message


async def test_retry_gives_the_failed_version_a_new_rollout(stage: Stage) -> None:
    await failed(stage)
    stage.command("retry")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.history == [("2.0", "rolled_back"), ("2.0", "promoted")]
    assert stage.serving == ["2.0"] * 3


async def test_another_version_after_a_failure_is_tried(stage: Stage) -> None:
    await failed(stage)
    stage.push("3.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.serving == ["3.0"] * 3


async def test_a_restart_of_the_stable_version_restarts_the_primary_alone(stage: Stage) -> None:
    await stage.onboarded()
    restart(stage)
    await stage.rest(120)
    notes = stage.primary["spec"]["template"]["metadata"]["annotations"]
    assert notes == {RESTARTED_AT: "2026-01-01T10:00:00Z"}
    assert (stage.phases, stage.weights, stage.reasons) == (["Initialized"], [0], ["Restarted"])
    assert (stage.serving, stage.candidate) == (["1.0"] * 3, (0, False))


async def test_a_restart_of_what_is_under_test_starts_it_again_from_weight_0(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    restart(stage)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 50, 0, 20, 50, 0]
    assert stage.history == [("2.0", "promoted")]
    assert stage.serving == ["2.0"] * 3


async def test_a_restart_of_a_failed_version_changes_nothing(stage: Stage) -> None:
    await failed(stage)
    restart(stage)
    await stage.rest(120)
    assert (stage.phases, stage.weights, stage.reasons) == (["Failed"], [0], [])


async def test_a_pipeline_that_sets_replicas_with_each_push_is_served_as_well(stage: Stage) -> None:
    await stage.onboarded()
    for tag in ("2.0", "3.0"):
        stage.cluster.apply(deployment(image=image(tag), replicas=3))
        await stage.until_serving(tag)
    assert stage.candidate == (0, False)
    assert stage.history == [("2.0", "promoted"), ("3.0", "promoted")]


async def test_pods_that_somebody_adds_in_mid_rollout_stay_until_it_is_drained(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 5}})
    await stage.until_phase(Phase.FINALIZING)
    assert stage.candidate == (5, True)
    await stage.until_phase(Phase.SUCCEEDED)
    assert (stage.candidate, stage.history) == ((0, False), [("2.0", "promoted")])
    assert stage.weights == [0, 20, 50, 0]


@pytest.mark.parametrize(
    "change",
    [
        {"minReadySeconds": 2},
        {"progressDeadlineSeconds": 333},
        {"revisionHistoryLimit": 3},
    ],
)
async def test_what_is_outside_the_template_reaches_the_primary_at_once(stage: Stage, change: dict[str, Any]) -> None:
    await stage.onboarded()
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": change})
    await stage.until(lambda: change.items() <= stage.primary["spec"].items(), within=2)
    await stage.rest(60)
    assert (stage.phases, stage.weights) == (["Initialized"], [0])


async def test_the_primary_surges_as_the_user_wants_but_never_falls_below_its_number(stage: Stage) -> None:
    await stage.onboarded()
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 1}}
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"strategy": rolling}})
    await stage.rest(5)
    assert stage.primary["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 2, "maxUnavailable": 0}
    assert (stage.phases, stage.weights) == (["Initialized"], [0])


async def test_replicas_of_the_spec_are_the_size_of_the_primary(stage: Stage) -> None:
    await stage.onboarded(replicas=2)
    assert stage.serving == ["1.0"] * 2
    stage.edit_spec(replicas=4)
    await stage.until(lambda: stage.serving == ["1.0"] * 4)
    assert (stage.phases, stage.candidate) == (["Initialized"], (0, False))


async def test_scaling_the_deployment_at_rest_does_not_reach_the_primary(stage: Stage) -> None:
    await stage.onboarded()
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 7}})
    await stage.until(lambda: stage.candidate == (0, False), within=5)
    await stage.rest(30)
    assert stage.primary["spec"]["replicas"] == 3
    assert stage.reasons == ["ReplicasReset"]


async def test_a_put_that_drops_the_hold_takes_the_weight_away_at_once(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    with stage.watch.blind():
        stage.cluster.replace(deployment(image=image("3.0"), replicas=2))
    await stage.until(lambda: stage.weight == 0, within=1)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.serving == ["3.0"] * 3
