"""Pods of the candidate that are ready now and then: no version stays in traffic that cannot be judged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from canary.controller.drift import PUT_BACK
from canary.errors import Rejected
from canary.ports import CANARY, DEPLOYMENT, POD
from canary.rollout import model
from canary.rollout.phases import Phase
from canary.sandbox.calls import Verb
from meshes.contract import Manifest
from tests.builders import ref
from tests.embedded import pods_of
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime

HOUR_S = 3600.0
ROLLED_BACK = ["Initialized", "Progressing", "RollingBack", "Failed"]
PROMOTED = ["Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]


def say_ready(stage: Stage, name: str, truth: str) -> None:
    """Write the condition Ready of a pod, as the kubelet does when its probe fails or passes again."""
    live = stage.cluster.store.get(ref(POD, name))
    if live is None:
        return
    conditions = [{**one, "status": truth} if one["type"] == "Ready" else one for one in live["status"]["conditions"]]
    stage.cluster.edit(ref(POD, name), {"status": {"conditions": conditions}}, "kubelet", "status")


def blink(stage: Stage, pods: Callable[[Stage], list[Manifest]], truth: str) -> None:
    for pod in pods(stage):
        say_ready(stage, pod["metadata"]["name"], truth)


def let_go(stage: Stage) -> None:
    """Take the hold away, as a tool that finds `paused: false` in Git."""
    with stage.watch.blind():
        stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"paused": False}}, "argocd")


def candidates(stage: Stage) -> list[Manifest]:
    return list(pods_of(stage.cluster, "checkout"))


@asynccontextmanager
async def unready(
    stage: Stage, seconds: float, every: float, pods: Callable[[Stage], list[Manifest]] = candidates
) -> AsyncIterator[None]:
    """The candidate's pods are not ready for some seconds in each `every`, ready in the others."""

    async def on_and_on() -> None:
        while True:
            await asyncio.sleep(every - seconds)
            blink(stage, pods, "False")
            await asyncio.sleep(seconds)
            blink(stage, pods, "True")

    task = asyncio.create_task(on_and_on())
    try:
        yield
    finally:
        task.cancel()


async def carried(stage: Stage, seconds: float) -> float:
    """Return for how long of these seconds the canary had a weight."""
    total = 0.0
    for _ in range(int(seconds)):
        total += bool(stage.weight)
        await stage.rest(1)
    return total


@pytest.mark.parametrize("every", [20, 30, 40])
async def test_a_bad_version_whose_pods_are_ready_now_and_then_is_rolled_back(stage: Stage, every: float) -> None:
    await stage.onboarded()
    stage.canary_traffic(bad=0.08)
    await stage.pushed("2.0", 20)
    async with unready(stage, 5, every):
        at_weight = await carried(stage, 700)
        assert stage.status.phase is Phase.FAILED
    assert at_weight < 5 * every
    assert (stage.phases, stage.history) == (ROLLED_BACK, [("2.0", "rolled_back")])
    assert "its pods stopped being ready" in stage.status.message
    assert "within 600 s, so that it could not be judged" in stage.status.message


@pytest.mark.parametrize("every", [5, 15, 40])
async def test_a_bad_version_whose_hold_is_taken_away_again_and_again_is_rolled_back(stage: Stage, every: int) -> None:
    """With each time the weight begins anew, and what could be judged with it."""
    await stage.onboarded()
    stage.canary_traffic(bad=0.08)
    await stage.pushed("2.0", 20)
    at_weight = 0.0
    while stage.status.phase is Phase.PROGRESSING and at_weight < 10 * every:
        let_go(stage)
        at_weight += await carried(stage, every)
    assert at_weight <= 5 * every
    await stage.until_phase(Phase.FAILED)
    assert stage.history == [("2.0", "rolled_back")]
    said = [note.reason for note in stage.told.notes]
    assert (said.count("WeightLowered"), said.count("PodsUnsteady"), said.count("RolledBack")) == (1, 1, 1)


async def test_a_hold_that_is_taken_away_once_ends_nothing(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    let_go(stage)
    await stage.until(lambda: stage.weight == 0 and stage.candidate == (2, True), within=1)
    await stage.until_serving("2.0")
    assert stage.reasons[3] == "WeightLowered"


async def test_a_hold_that_may_not_be_put_back_for_long_is_one_loss(stage: Stage) -> None:
    def refuse(new: Manifest, old: Manifest | None) -> None:
        if new["kind"] == DEPLOYMENT.kind and new["spec"].get("paused"):
            raise Rejected("admission webhook denied the request: nothing is paused here")

    await stage.onboarded(analysis=analysis({"weight": 50, "duration": "3m"}))
    await stage.pushed("2.0", 50)
    await stage.rest(120)
    let_go(stage)
    stage.cluster.store.admission.append(refuse)
    await stage.rest(120)
    assert (stage.weight, stage.status.memory.losses) == (0, 1)
    assert "has its 2 pods ready; they are to be held by `spec.paused` first" in stage.status.message
    stage.cluster.store.admission.remove(refuse)
    await stage.until_serving("2.0")
    assert "PodsUnsteady" not in stage.reasons


async def test_a_hold_that_is_taken_away_more_often_than_it_is_put_back_is_no_pass_after_the_other(
    stage: Stage,
) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.client.requests.clear()
    for _ in range(2 * PUT_BACK):
        let_go(stage)
        await stage.rest(0.5)
    assert stage.client.requests.counts[Verb.PATCH, DEPLOYMENT] <= PUT_BACK
    assert stage.client.requests.counts[Verb.PATCH, CANARY] <= 3 * PUT_BACK


async def test_a_hold_that_is_taken_away_ends_no_wait_for_the_primary(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.canary_traffic(bad=0.5)
    stage.primary_traffic(bad=0.5)
    await stage.until_weight(0, within=25)
    let_go(stage)
    await stage.until(lambda: stage.candidate == (2, True), within=1)
    await stage.rest(120)
    assert (stage.weight, stage.status.memory.stage) == (0, model.Stage.RECOVERING)
    stage.canary_traffic(bad=0.0)
    stage.primary_traffic(bad=0.0)
    await stage.until_serving("2.0")
    assert stage.weights == [0, 20, 50, 0, 20, 50, 0]


async def test_the_progress_deadline_is_the_patience_with_them(stage: Stage) -> None:
    await stage.onboarded(progressDeadline="200s")
    await stage.pushed("2.0", 20)
    async with unready(stage, 5, 30):
        await stage.until_phase(Phase.FAILED, within=260)
    assert "within 200 s, so that it could not be judged" in stage.status.message


async def test_it_is_told_once_and_with_few_messages(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    stage.forget()
    async with unready(stage, 5, 30):
        await stage.until_phase(Phase.FAILED, within=700)
    assert stage.reasons.count("PodsUnsteady") == 1
    assert stage.reasons.count("WeightLowered") + stage.reasons.count("WeightAdvanced") <= 8
    told = [note.reason for note in stage.told.notes]
    assert told == ["WeightLowered", "WeightAdvanced", "PodsUnsteady", "RolledBack"]


async def test_pods_that_are_ready_only_before_their_first_weight_end_it_too(stage: Stage) -> None:
    """They are never ready for as long as they must settle."""
    await stage.onboarded(progressDeadline="200s")
    stage.push("2.0")
    await stage.until(lambda: candidates(stage))
    async with unready(stage, 5, 12):
        await stage.until_phase(Phase.FAILED, within=300)
    assert stage.weights == [0]
    assert "its pods stopped being ready" in stage.status.message


@pytest.mark.parametrize("seconds", [1, 5, 60])
async def test_a_good_version_comes_through_a_loss_of_its_pods(stage: Stage, seconds: float) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    for _ in range(3):
        blink(stage, candidates, "False")
        await stage.rest(seconds)
        blink(stage, candidates, "True")
        await stage.until_weight(20, within=40)
    await stage.until_phase(Phase.SUCCEEDED)
    assert "PodsUnsteady" not in stage.reasons
    assert stage.history == [("2.0", "promoted")]


async def test_a_good_version_goes_on_once_its_pods_last(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    async with unready(stage, 5, 30):
        await stage.until(lambda: "PodsUnsteady" in stage.reasons)
        await stage.rest(120)
        assert (stage.weight, stage.status.phase) == (0, Phase.PROGRESSING)
    blink(stage, candidates, "True")
    await stage.until_phase(Phase.SUCCEEDED)
    assert (stage.phases, stage.history) == (PROMOTED, [("2.0", "promoted")])


async def test_pods_that_are_lost_between_verdicts_end_nothing(stage: Stage) -> None:
    """At a step that lasts, each loss is followed by a verdict, so that the version is judged all the time."""
    steps = [{"weight": 20, "duration": "40m"}]
    await stage.onboarded(analysis={"interval": "20s", "steps": steps, "checks": CHECKS})
    await stage.pushed("2.0", 20)
    async with unready(stage, 5, 90):
        await stage.rest(HOUR_S / 2)
        assert stage.status.phase is Phase.PROGRESSING
        assert "PodsUnsteady" not in stage.reasons
    told = [note.reason for note in stage.told.notes]
    assert told.count("WeightLowered") == 1


CHECKS = [{"name": "success-rate", "builtin": "success-rate", "min": 99}]


async def test_one_pod_of_several_keeps_no_bad_version_from_being_judged(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.canary_traffic(bad=0.08)
    async with unready(stage, 5, 30, lambda it: candidates(it)[:1]):
        await stage.until_phase(Phase.FAILED)
    assert "3 failed evaluations" in stage.status.message


async def test_losses_do_not_begin_the_patience_of_no_data_anew(stage: Stage) -> None:
    await stage.onboarded()
    stage.canary_traffic(rate=0.01)
    await stage.pushed("2.0", 20)
    async with unready(stage, 5, 120):
        await stage.until_phase(Phase.FAILED, within=800)
    assert "too few requests for 10 min" in stage.status.message


async def test_while_prometheus_is_down_pods_that_last_between_losses_end_nothing(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    stage.metrics.down = True
    async with unready(stage, 5, 120):
        await stage.rest(HOUR_S)
        assert stage.status.phase is Phase.PROGRESSING


async def test_a_promotion_that_is_commanded_asks_for_pods_that_are_ready_and_no_more(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    async with unready(stage, 5, 30):
        await stage.until(lambda: "PodsUnsteady" in stage.reasons)
        stage.command("promote")
        await stage.until(lambda: stage.status.phase is Phase.PROMOTING, within=30)
