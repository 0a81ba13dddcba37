"""Every way out: the Deployment serves again before anything that served goes, and nothing of ours stays."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import Rejected
from canary.ports import CANARY, CONTROLLER_REVISION, DEPLOYMENT, HPA, NAMESPACE, REPLICA_SET, SERVICE, Propagation
from canary.rollout.phases import Phase
from canary.sandbox.calls import Call, Verb
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.simulated import NEVER_READY
from meshes.contract import ObjectRef
from tests.builders import autoscaler, canary, deployment, ref, service
from tests.embedded import ready_images
from tests.scenarios.stage import DEPLOYED, Stage, analysis, image

pytestmark = pytest.mark.looptime

CASCADES = pytest.mark.parametrize("cascade", list(Propagation))


def left_over(stage: Stage) -> list[str]:
    """What there is of ours, by label or name."""
    kinds = (CANARY, CONTROLLER_REVISION, DEPLOYMENT, SERVICE, VIRTUAL_SERVICE)
    ours = [one for kind in kinds for one in stage.cluster.store.list(kind, "shop") if _is_ours(one)]
    return [f"{one['kind']} {one['metadata']['name']}" for one in ours]


def _is_ours(one: Any) -> bool:
    labels, finalizers = one["metadata"].get("labels") or {}, one["metadata"].get("finalizers") or []
    marks = [*labels, *finalizers, *((one["spec"].get("selector") or {}) if one["kind"] == "Service" else ())]
    return one["kind"] == "Canary" or any(mark.startswith("canary.delivery/") for mark in marks)


async def gone(stage: Stage, within: float = 120) -> None:
    await stage.until(lambda: left_over(stage) == [], within)


def assert_serves_alone(stage: Stage, tag: str = "1.0", replicas: int = 3) -> None:
    assert ready_images(stage.cluster) == [image(tag)] * replicas
    assert stage.candidate == (replicas, False)
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}


@CASCADES
async def test_a_deleted_canary_gives_everything_back(stage: Stage, cascade: Propagation) -> None:
    await stage.onboarded()
    stage.cluster.remove(ref(CANARY), cascade)
    await gone(stage)
    assert_serves_alone(stage)


async def test_a_service_of_a_label_that_the_pods_lost_since_is_given_back_too(stage: Stage) -> None:
    """It has no pods, as it would have none without us; one day they may come back, and then it must find them."""
    old = deployment(replicas=None)
    old["spec"]["template"]["metadata"]["labels"] = {"app": "checkout", "version": "v1"}
    selector = {"app": "checkout", "version": "v1"}
    await stage.onboarded(old, service("internal", selector=selector))
    stage.push("2.0")
    await stage.until_serving("2.0")
    stage.cluster.remove(ref(CANARY))
    await gone(stage)
    assert stage.cluster.now(ref(SERVICE, "internal"))["spec"]["selector"] == selector
    assert_serves_alone(stage, "2.0")


async def test_what_serves_stays_until_the_service_leads_to_the_pods_that_take_over(stage: Stage) -> None:
    await stage.onboarded()
    stage.cluster.slow_endpoints(300)
    stage.cluster.remove(ref(CANARY))
    await stage.until(lambda: stage.cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"})
    await stage.rest(200)
    assert stage.serving == ["1.0"] * 3
    await gone(stage, 300)
    assert_serves_alone(stage)


async def test_a_service_that_its_user_gave_to_another_deployment_holds_no_canary_that_leaves(stage: Stage) -> None:
    """It will never list the Deployment's pods."""
    await stage.onboarded()
    stage.cluster.apply(deployment("till", selector={"matchLabels": {"app": "till"}}, replicas=2))
    with stage.watch.blind():
        stage.cluster.edit(ref(SERVICE), {"spec": {"selector": {"app": "till"}}}, "alice")
        await stage.until(lambda: stage.ready_condition.reason == "ServiceUnusable")
        stage.cluster.remove(ref(CANARY))
        await gone(stage)
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "till"}
    assert stage.candidate == (3, False)


async def test_an_autoscaler_is_given_back_too(stage: Stage) -> None:
    await stage.onboarded(autoscaler(least=2))
    stage.cluster.remove(ref(CANARY))
    await gone(stage)
    spec = stage.cluster.now(ref(HPA))["spec"]
    assert (spec["scaleTargetRef"]["name"], spec["minReplicas"]) == ("checkout", 2)


async def test_leaving_in_mid_rollout_ends_that_first_and_waits_for_a_proved_version(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.cluster.remove(ref(CANARY))
    await stage.until_weight(0, within=1)
    await stage.rest(300)
    assert stage.serving == ["1.0"] * 3
    assert "is unproved" in stage.status.message
    stage.push("1.0")
    await gone(stage)
    assert_serves_alone(stage)


async def test_release_lets_an_unproved_version_into_service(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.cluster.remove(ref(CANARY))
    await stage.rest(60)
    stage.command("release")
    await gone(stage)
    assert_serves_alone(stage, "2.0")


async def test_leaving_while_onboarding_touches_nobody(stage: Stage) -> None:
    stage.runtime.choose = lambda pod: NEVER_READY if "canary.delivery/role" in pod["metadata"]["labels"] else None
    await stage.there()
    stage.cluster.apply(canary())
    stage.start()
    await stage.rest(20)
    stage.cluster.remove(ref(CANARY))
    await gone(stage)
    assert_serves_alone(stage)


@CASCADES
async def test_a_deleted_deployment_is_kept_serving_for_ten_minutes_and_then_all_goes(
    stage: Stage, cascade: Propagation
) -> None:
    await stage.onboarded()
    stage.cluster.remove(ref(DEPLOYMENT), cascade)
    await stage.rest(590)
    assert stage.serving == ["1.0"] * 3
    await stage.until(lambda: left_over(stage) == ["Canary checkout"], within=60)
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}


async def test_a_recreated_deployment_takes_its_primary_over(stage: Stage) -> None:
    await stage.onboarded()
    stage.cluster.remove(ref(DEPLOYMENT))
    await stage.rest(120)
    stage.cluster.apply(deployment(image=image("2.0")))
    await stage.until(lambda: stage.serving == ["2.0"] * 3)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 50, 0]
    assert stage.history == [("2.0", "promoted")]


async def test_a_deployment_that_is_recreated_after_that_is_onboarded_anew(stage: Stage) -> None:
    await stage.onboarded()
    stage.cluster.remove(ref(DEPLOYMENT))
    with stage.watch.blind():
        await stage.rest(700)
    stage.cluster.apply(DEPLOYED)
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 3}})
    await stage.until(lambda: stage.status.phase is Phase.INITIALIZED and stage.serving == ["1.0"] * 3)


async def test_a_deployment_that_goes_in_mid_rollout_costs_no_request(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    stage.cluster.remove(ref(DEPLOYMENT))
    await stage.until(lambda: stage.weight == 0, within=1)
    await stage.rest(60)
    assert stage.serving == ["1.0"] * 3


async def test_a_namespace_that_goes_is_not_held_up(stage: Stage) -> None:
    await stage.onboarded()
    with stage.watch.blind():
        stage.cluster.remove(ObjectRef(NAMESPACE, "", "shop"))
        await stage.until(lambda: stage.cluster.store.get(ObjectRef(NAMESPACE, "", "shop")) is None, within=60)
    assert stage.cluster.store.list(DEPLOYMENT, "shop") == []


async def test_a_controller_that_may_not_patch_replicasets_rolls_out_all_the_same(stage: Stage) -> None:
    """As after an upgrade of its image alone: it says so once for each, and asks again an hour later."""
    await stage.there()
    stage.start()
    stage.client.before = _no_right
    stage.cluster.apply(canary(analysis=analysis()))
    await stage.until_phase(Phase.INITIALIZED)
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.rest(600)
    assert (stage.serving, stage.candidate) == (["2.0"] * 3, (0, False))
    assert stage.client.requests.counts[Verb.PATCH, REPLICA_SET] == 2


def _no_right(call: Call) -> None:
    if call.ref.kind == REPLICA_SET:
        raise Rejected("replicasets.apps is forbidden")
