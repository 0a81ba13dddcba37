"""From a Deployment that serves to a primary that serves, without a moment in which nothing does."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest

from canary.ports import DEPLOYMENT, EVENT, HPA, REPLICA_SET, SERVICE
from canary.rollout.phases import Phase
from canary.sandbox.calls import Call
from canary.sandbox.simulated import CRASHING, NEVER_READY, PodBehaviour
from tests.builders import autoscaler, canary, deployment, ref, service
from tests.embedded import ready_images
from tests.scenarios.stage import Stage, analysis, image

pytestmark = pytest.mark.looptime

NARROW = {"app": "checkout", "canary.delivery/role": "primary", "canary.delivery/target": "checkout"}


def order(calls: list[Call]) -> list[str]:
    """What was written, status and Events left out, repeats in a row folded."""
    kept = [call for call in calls if call.ref.kind != EVENT and call.subresource == ""]
    return [name for name, _ in groupby(f"{call.verb} {call.ref.kind.kind} {call.ref.name}" for call in kept)]


async def begun(stage: Stage, *more: Any, **spec: Any) -> None:
    """The Deployment runs, its Canary appears, the controller starts."""
    await stage.there(*more)
    stage.cluster.apply(canary(**{"analysis": analysis(), **spec}))
    stage.start()


async def test_each_write_comes_after_what_it_rests_on(stage: Stage) -> None:
    await begun(stage)
    await stage.until_phase(Phase.INITIALIZED)
    [serving] = stage.cluster.store.list(REPLICA_SET, "shop", {"canary.delivery/role": "primary"})
    assert order(list(stage.client.requests.log)) == [
        "patch Canary checkout",
        "patch Deployment checkout",
        "create ControllerRevision checkout-" + str(stage.status.stable.key if stage.status.stable else ""),
        "create Service checkout-canary",
        "create Deployment checkout-primary",
        "create VirtualService checkout",
        f"patch ReplicaSet {serving['metadata']['name']}",
        "patch Service checkout",
        "patch Deployment checkout",
    ]
    assert stage.phases == ["Initializing", "Initialized"]
    assert stage.serving == ["1.0"] * 3
    assert (stage.candidate, stage.weight) == ((0, False), 0)
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == NARROW
    assert stage.reasons == ["Initializing", "Initialized"]


async def test_the_service_is_narrowed_only_once_the_primary_is_ready(stage: Stage) -> None:
    stage.runtime.choose = lambda pod: (
        PodBehaviour(ready_after=90.0) if "canary.delivery/role" in pod["metadata"]["labels"] else None
    )
    await begun(stage)
    await stage.rest(80)
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}
    assert stage.candidate == (3, False)
    await stage.until_phase(Phase.INITIALIZED, within=60)


async def test_the_users_pods_go_on_for_settle_and_drain_after_the_narrowing(stage: Stage) -> None:
    await begun(stage)
    await stage.until(lambda: stage.cluster.now(ref(SERVICE))["spec"]["selector"] == NARROW)
    await stage.rest(24)
    assert len(ready_images(stage.cluster)) == 3
    await stage.until_phase(Phase.INITIALIZED, within=5)


@pytest.mark.parametrize("behaviour", [CRASHING, NEVER_READY])
async def test_a_primary_that_does_not_become_ready_costs_nobody_anything(
    stage: Stage, behaviour: PodBehaviour
) -> None:
    stage.runtime.choose = lambda pod: behaviour if "canary.delivery/role" in pod["metadata"]["labels"] else None
    await begun(stage, progressDeadline="60s")
    await stage.rest(120)
    assert stage.status.phase is Phase.INITIALIZING
    assert (stage.ready_condition.status, stage.ready_condition.reason) == ("False", "PrimaryNotReady")
    assert stage.candidate == (3, False)
    assert stage.reasons == ["Initializing", "PrimaryNotReady"]
    [note] = stage.told.notes
    assert note.text.startswith("The primary was not ready within 60 s: 0 of 3 pods of the primary are ready")
    assert ready_images(stage.cluster) == [image("1.0")] * 3
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}


async def test_a_quota_that_leaves_no_pods_is_told_with_its_words(stage: Stage) -> None:
    stage.cluster.limit_pods("shop", 3)
    await begun(stage, progressDeadline="60s")
    await stage.rest(120)
    assert stage.status.phase is Phase.INITIALIZING
    assert "exceeded quota" in stage.ready_condition.message
    stage.cluster.limit_pods("shop", None)
    await stage.until_phase(Phase.INITIALIZED)


@pytest.mark.parametrize("spec", [{"replicas": 0}, {"paused": True}])
async def test_a_deployment_that_does_not_run_is_waited_for(stage: Stage, spec: dict[str, Any]) -> None:
    stage.cluster.apply(deployment())
    stage.cluster.apply(service())
    with stage.watch.blind():
        stage.cluster.edit(ref(DEPLOYMENT), {"spec": spec})
    stage.cluster.apply(canary())
    stage.start()
    await stage.rest(60)
    assert (stage.status.phase, stage.status.stable) == (Phase.INITIALIZING, None)
    assert stage.status.message.startswith("Waits: the Deployment is ")
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 2, "paused": None}})
    await stage.until_phase(Phase.INITIALIZED)
    assert stage.serving == ["1.0"] * 2


async def test_a_push_before_the_narrowing_rewrites_the_primary(stage: Stage) -> None:
    stage.runtime.by_tag["1.0"] = PodBehaviour(ready_after=5.0)
    await begun(stage)
    await stage.until(lambda: stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is not None)
    stage.push("2.0")
    await stage.until_phase(Phase.INITIALIZED)
    assert stage.serving == ["2.0"] * 3
    assert stage.weights == [0]


async def test_a_push_after_the_narrowing_is_the_first_rollout(stage: Stage) -> None:
    await begun(stage)
    await stage.until(lambda: stage.cluster.now(ref(SERVICE))["spec"]["selector"] == NARROW)
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.phases == ["Initializing", "Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]
    assert stage.history == [("2.0", "promoted")]


async def test_an_autoscaler_follows_the_primary(stage: Stage) -> None:
    await begun(stage, autoscaler(least=2))
    await stage.until_phase(Phase.INITIALIZED)
    await stage.rest(5)
    spec = stage.cluster.now(ref(HPA))["spec"]
    assert (spec["scaleTargetRef"]["name"], spec["minReplicas"]) == ("checkout-primary", 2)
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.history == [("2.0", "promoted")]


async def test_a_deployment_without_a_service_is_given_one(stage: Stage) -> None:
    stage.cluster.apply(deployment())
    stage.cluster.apply(canary())
    stage.start()
    await stage.until_phase(Phase.INITIALIZED)
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == NARROW


async def test_two_namespaces_with_the_same_names_do_not_meet(stage: Stage) -> None:
    stage.cluster.namespace("stall")
    for each in (deployment(namespace="stall"), service(namespace="stall"), canary(namespace="stall")):
        stage.cluster.apply(each)
    await stage.onboarded()
    await stage.pushed("2.0")
    other = stage.cluster.now(ref(DEPLOYMENT, "checkout-primary", "stall"))
    assert other["spec"]["template"]["spec"]["containers"][0]["image"] == image("1.0")
    assert stage.cluster.now(ref(DEPLOYMENT, "checkout", "stall"))["spec"]["replicas"] == 0
    await stage.until_phase(Phase.SUCCEEDED)
    assert ready_images(stage.cluster, "checkout-primary", "stall") == [image("1.0")] * 3
