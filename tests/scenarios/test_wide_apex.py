"""An apex that reaches the candidate's pods in mid-rollout and stays so: weight 0, candidate 0, and from the start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from canary.errors import Rejected
from canary.ports import POD, SERVICE
from canary.rollout.phases import Phase
from canary.sandbox.simulated import NEVER_READY, PodBehaviour
from meshes.contract import Manifest
from tests.builders import ref
from tests.embedded import pods_of, ready_images
from tests.scenarios.stage import Stage, analysis, image

pytestmark = pytest.mark.looptime

ROLE, TARGET = "canary.delivery/role", "canary.delivery/target"


@contextmanager
def kept_wide(stage: Stage) -> Iterator[None]:
    """Somebody widens the Service, and an admission webhook refuses to have it narrowed while the block runs."""

    def refuse(new: Manifest, old: Manifest | None) -> None:
        if new["kind"] == "Service" and old is not None and ROLE in new["spec"]["selector"]:
            raise Rejected("admission webhook denied the request: selectors come from Git")

    wide = {"spec": {"selector": {"app": "checkout", ROLE: None, TARGET: None}}}
    stage.cluster.edit(ref(SERVICE), wide, "kustomize-controller")
    stage.cluster.store.admission.append(refuse)
    yield
    stage.cluster.store.admission.remove(refuse)


async def test_within_the_drain_time_the_rollout_goes_on_in_its_step(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis(20, 50, 80))
    await stage.pushed("2.0", 50)
    with kept_wide(stage):
        await stage.rest(4)
        assert stage.weight == 50
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 50, 80, 0]
    assert "RolloutRestarted" not in stage.reasons


async def test_beyond_it_the_candidate_goes_and_all_begins_again_at_the_first_step_once_it_is_narrow(
    stage: Stage,
) -> None:
    await stage.onboarded(analysis=analysis(20, 50, 80))
    await stage.pushed("2.0", 50)
    with kept_wide(stage), stage.watch.blind():
        await stage.rest(14)
        assert stage.weight == 50
        await stage.until_weight(0, within=12)
        assert ready_images(stage.cluster) == [image("2.0")] * 2, "drained before they go"
        await stage.until(lambda: stage.candidate == (0, False), within=45)  # passes are refused, and up to 10 s apart
        await stage.rest(120)
        assert (stage.status.phase, stage.status.step, stage.weight) == (Phase.PROGRESSING, -1, 0)
        assert (stage.candidate, stage.serving) == ((0, False), ["1.0"] * 3)
        assert "the Service reaches more than the primary" in stage.status.message
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 50, 0, 20, 50, 80, 0]
    assert stage.reasons.count("RolloutRestarted") == 1
    assert stage.history == [("2.0", "promoted")]


def lose_primary(stage: Stage) -> None:
    """The pods of the primary are lost, as with their nodes."""
    for pod in pods_of(stage.cluster, "checkout-primary"):
        stage.cluster.remove(ref(POD, pod["metadata"]["name"]))


def never_ready(pod: Manifest) -> PodBehaviour | None:
    return NEVER_READY if "canary.delivery/role" in pod["metadata"]["labels"] else None


@asynccontextmanager
async def primary_down_at_half(stage: Stage, slices_late: float = 0.05) -> AsyncIterator[None]:
    """At 50 % all pods of the primary are lost, and no other becomes ready; slices tell of it so many seconds late."""
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    with stage.watch.blind():
        stage.cluster.slow_endpoints(slices_late)
        stage.runtime.choose = never_ready
        lose_primary(stage)
        await stage.rest(30)
        yield


@pytest.mark.parametrize("slices_late", [0.05, 2.0])
async def test_a_primary_without_ready_pods_takes_nothing_from_the_canary_that_serves(
    stage: Stage, slices_late: float
) -> None:
    """Weight 0 would send all requests to where nobody answers; that slices list a pod that is gone is no reason."""
    async with primary_down_at_half(stage, slices_late):
        await stage.rest(90)
        assert (stage.serving, stage.weight, stage.status.phase) == ([], 50, Phase.PROGRESSING)
        assert "held: the Service reaches no ready pod of the primary" in stage.status.message
        stage.runtime.choose = None
        lose_primary(stage)
        await stage.until(lambda: stage.serving == ["1.0"] * 3)
        await stage.rest(slices_late)
    await stage.until_serving("2.0")
    assert stage.weights == [0, 20, 50, 0]


async def test_a_late_promotion_takes_nothing_from_the_canary_while_no_pod_of_the_primary_is_ready(
    stage: Stage,
) -> None:
    await stage.onboarded(progressDeadline="2m")
    await stage.pushed("2.0", 50)
    first = iter([PodBehaviour()])
    stage.runtime.choose = lambda pod: never_ready(pod) and next(first, NEVER_READY)
    await stage.until(lambda: stage.status.memory.primary_ready == 1)
    with stage.watch.blind():
        lose_primary(stage)
        await stage.rest(30)
        stage.client.requests.clear()
        await stage.rest(600)
        assert (stage.serving, stage.weight, stage.status.phase) == ([], 50, Phase.PROMOTING)
        assert "the canary keeps its weight until the Service reaches one" in stage.status.message
        assert stage.client.requests.writes <= 600 / 20 + 600 / 120, "one an evaluation, and one a deadline"
        stage.runtime.choose = None
        lose_primary(stage)
        await stage.until(lambda: stage.serving == ["2.0"] * 3)
    await stage.until_serving("2.0")
    assert stage.weights == [0, 20, 50, 0]


async def test_a_service_that_is_widened_while_the_primary_has_no_pod_is_answered_all_the_same(stage: Stage) -> None:
    async with primary_down_at_half(stage):
        with kept_wide(stage):
            await stage.until_weight(0, within=30)
