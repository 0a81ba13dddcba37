"""Somebody deletes `-primary`, wherever the canary stands: who serves meanwhile, and that it costs no request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from canary.ports import DEPLOYMENT, POD, REPLICA_SET, SERVICE, Propagation
from canary.rollout.phases import Phase
from canary.sandbox.replicasets import is_ready
from meshes.contract import Manifest
from tests.builders import autoscaler, canary, deployment, ref
from tests.scenarios.stage import DEPLOYED, Stage, analysis, image

pytestmark = pytest.mark.looptime

PRIMARY = ref(DEPLOYMENT, "checkout-primary")
KEPT = [Propagation.BACKGROUND, Propagation.ORPHAN]
"""The ways of deletion that leave time to act."""

Situation = Callable[[Stage], Awaitable[None]]


async def initialized(stage: Stage) -> None:
    await stage.onboarded()


async def succeeded(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)


async def failed(stage: Stage) -> None:
    stage.canary_traffic(bad=0.2)
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)


async def in_mid_rollout(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)


async def paused(stage: Stage) -> None:
    await in_mid_rollout(stage)
    stage.command("pause")
    await stage.until_phase(Phase.PAUSED)


async def promoting(stage: Stage) -> None:
    """Pods of two templates serve, and the newer ReplicaSet may be a moment old."""
    await in_mid_rollout(stage)
    await stage.until(lambda: sorted(set(stage.serving)) == ["1.0", "2.0"])


async def draining(stage: Stage) -> None:
    await in_mid_rollout(stage)
    stage.command("abort")
    await stage.until_phase(Phase.ROLLING_BACK)


REST = [initialized, succeeded]
RUNNING = [failed, in_mid_rollout, paused, promoting, draining]
AT_REST = pytest.mark.parametrize("situation", REST, ids=lambda each: each.__name__)
ELSEWHERE = pytest.mark.parametrize("situation", RUNNING, ids=lambda each: each.__name__)
CASCADES = pytest.mark.parametrize("cascade", KEPT)


def uid(stage: Stage) -> str:
    """The uid of `-primary`, "" while there is none."""
    live = stage.cluster.store.get(PRIMARY)
    return str(live["metadata"]["uid"]) if live is not None else ""


def serving_pods(stage: Stage) -> set[str]:
    """The uids of the ready pods of `-primary`, whoever owns their ReplicaSet."""
    pods = stage.cluster.store.list(POD, "shop", {"canary.delivery/role": "primary"})
    return {pod["metadata"]["uid"] for pod in pods if is_ready(pod)}


async def deleted(stage: Stage, cascade: Propagation = Propagation.BACKGROUND) -> None:
    """Delete `-primary` and wait until another one is there."""
    before = uid(stage)
    stage.cluster.remove(PRIMARY, cascade)
    await stage.until(lambda: uid(stage) not in ("", before))


@AT_REST
@CASCADES
async def test_at_rest_a_primary_that_somebody_deletes_is_made_again_without_an_outage(
    stage: Stage, situation: Situation, cascade: Propagation
) -> None:
    await situation(stage)
    stage.forget()
    serving = stage.serving
    await deleted(stage, cascade)
    await stage.until(lambda: stage.status.phase is not None and stage.status.phase.at_rest)
    await stage.rest(30)
    assert (stage.serving, stage.candidate) == (serving, (0, False))
    again = ["Initializing", "Initialized"] if cascade is Propagation.BACKGROUND else []
    assert stage.reasons == ["PrimaryDeleted", *again]


@ELSEWHERE
@CASCADES
async def test_elsewhere_too_and_its_pods_go_on_in_the_next_one(
    stage: Stage, situation: Situation, cascade: Propagation
) -> None:
    await situation(stage)
    phase, before = stage.status.phase, serving_pods(stage)
    await deleted(stage, cascade)
    await stage.until(lambda: owners(stage) == {uid(stage)}, within=1)
    assert before <= serving_pods(stage) or phase is Phase.PROMOTING  # which takes pods away by itself
    if phase is Phase.PAUSED:
        stage.command("resume")
    await stage.until(lambda: stage.status.phase is not None and stage.status.phase.at_rest)
    assert stage.status.phase is (Phase.SUCCEEDED if phase in GOING_WELL else Phase.FAILED)
    assert stage.reasons.count("PrimaryDeleted") == 1


@CASCADES
async def test_at_onboarding_it_is_made_again_and_nobody_notices(stage: Stage, cascade: Propagation) -> None:
    """It is deleted at the moment at which it alone begins to serve."""
    await stage.there()
    stage.cluster.apply(canary(analysis=analysis()))
    stage.start()
    await stage.until(lambda: "canary.delivery/role" in stage.cluster.now(ref(SERVICE))["spec"]["selector"])
    await deleted(stage, cascade)
    await stage.until_phase(Phase.INITIALIZED)
    await stage.rest(30)
    assert (stage.serving, stage.candidate) == (["1.0"] * 3, (0, False))


GOING_WELL = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING)


def owners(stage: Stage) -> set[str]:
    """The uids of who owns the ReplicaSets of what serves, "" for nobody."""
    sets = stage.cluster.store.list(REPLICA_SET, "shop", {"canary.delivery/role": "primary"})
    return {owner["uid"] for one in sets for owner in one["metadata"].get("ownerReferences") or [{"uid": ""}]}


async def test_an_autoscaled_primary_comes_back_in_mid_rollout_as_large_as_it_was(stage: Stage) -> None:
    await stage.onboarded(autoscaler(least=2))
    await stage.pushed("2.0", 20)
    stage.cluster.edit(PRIMARY, {"spec": {"replicas": 5}}, "horizontal-pod-autoscaler")
    await stage.until(lambda: len(stage.serving) == 5)
    before = serving_pods(stage)
    await deleted(stage)
    await stage.rest(5)
    assert serving_pods(stage) == before


async def test_a_push_while_the_deployment_is_to_stand_in_leaves_the_pods_that_serve(stage: Stage) -> None:
    """The candidate was to take over, and holds an unproved version before it could."""
    await stage.onboarded()
    before, pods = uid(stage), serving_pods(stage)
    stage.cluster.remove(PRIMARY)
    await stage.until(lambda: stage.candidate == (3, False), within=5)
    stage.push("2.0")
    await stage.until(lambda: uid(stage) not in ("", before))
    assert serving_pods(stage) == pods
    await stage.until_serving("2.0")
    assert stage.weights == [0, 20, 50, 0]


async def test_without_a_deployment_it_serves_on_until_that_is_back(stage: Stage) -> None:
    await stage.onboarded()
    before, pods = uid(stage), serving_pods(stage)
    stage.cluster.remove(ref(DEPLOYMENT))
    await stage.rest(60)
    stage.cluster.remove(PRIMARY)
    await stage.rest(120)
    assert (uid(stage), serving_pods(stage)) == (before, pods)
    stage.cluster.apply(deployment(image=image("2.0")))
    await stage.until(lambda: uid(stage) not in ("", before))
    assert serving_pods(stage) == pods
    await stage.until_serving("2.0")


async def test_without_a_deployment_it_goes_with_all_else_after_ten_minutes(stage: Stage) -> None:
    await stage.onboarded()
    stage.cluster.remove(ref(DEPLOYMENT))
    await stage.rest(60)
    stage.cluster.remove(PRIMARY)
    with stage.watch.blind():
        await stage.until(lambda: uid(stage) == "" and not serving_pods(stage), within=700)
    stage.cluster.apply(DEPLOYED)


@pytest.mark.parametrize("finalizers", [["canary.delivery/primary", "orphan"], ["orphan"]])
async def test_deleted_a_second_time_in_the_background_its_pods_go_on_all_the_same(
    stage: Stage, finalizers: list[str]
) -> None:
    """As when somebody repeats a `kubectl delete` that waits: the newest deletion says how it is done.

    At the moment at which it had the first of these finalizers it is freed once more; the second ones it never has.
    """
    await in_mid_rollout(stage)
    before, pods, repeats = uid(stage), serving_pods(stage), [2]

    def again(manifest: Manifest) -> None:
        if repeats[0] and manifest["metadata"].get("finalizers") == finalizers:
            repeats[0] -= 1
            stage.cluster.remove(PRIMARY)

    stage.cluster.store.listen(lambda event: again(event.manifest) if event.ref == PRIMARY else None)
    stage.cluster.remove(PRIMARY)
    await stage.until(lambda: uid(stage) not in ("", before))
    assert (repeats, serving_pods(stage)) == ([0 if len(finalizers) > 1 else 2], pods)


async def test_deleted_in_foreground_it_is_made_again_at_once(stage: Stage) -> None:
    await stage.onboarded()
    before = uid(stage)
    with stage.watch.blind():
        stage.cluster.remove(PRIMARY, Propagation.FOREGROUND)
        await stage.until(lambda: uid(stage) not in ("", before), within=10)
        await stage.until(lambda: stage.serving == ["1.0"] * 3, within=30)
    assert "PrimaryDeleted" in stage.reasons


async def test_a_deployment_that_selects_by_exclusion_alone_stands_in_for_an_orphan(stage: Stage) -> None:
    """Nothing is out of the reach of a selector that asks for no label: the candidate is brought up, as before."""
    exclusion = {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["batch"]}]}
    await stage.onboarded(deployment(selector=exclusion))
    before = uid(stage)
    with stage.watch.blind():
        stage.cluster.remove(PRIMARY, Propagation.ORPHAN)
        await stage.until(lambda: stage.candidate == (3, False), within=5)
        await stage.until(lambda: uid(stage) not in ("", before))
    await stage.until_phase(Phase.INITIALIZED)
    await stage.rest(30)
    assert (stage.serving, stage.candidate) == (["1.0"] * 3, (0, False))
