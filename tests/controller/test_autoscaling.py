"""The user's autoscaler: pointed at the primary, its least size held while something runs, and put back on leaving."""

from __future__ import annotations

import json
from typing import Any

import pytest

from canary.controller.scalers import NOTE, SCALED_OBJECT, Scaler, change, scalers_of, seen
from canary.ports import CANARY, DEPLOYMENT, HPA
from canary.rollout.model import Autoscaler, ScalerWanted
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from tests.builders import autoscaler, metadata, ref
from tests.controller.driver import NEW, onboarded, push
from tests.embedded import eventually

pytestmark = pytest.mark.looptime


def scaler(cluster: InMemoryCluster) -> tuple[str, int | None, bool]:
    """Where it points, its least size, and whether it bears our note."""
    live = cluster.now(ref(HPA))
    spec = live["spec"]
    return spec["scaleTargetRef"]["name"], spec.get("minReplicas"), NOTE in live["metadata"].get("annotations", {})


def scaled_object(**spec: Any) -> dict[str, Any]:
    body = {"scaleTargetRef": {"name": "checkout"}, "maxReplicaCount": 9, **spec}
    meta = metadata("checkout")
    return {"apiVersion": "keda.sh/v1alpha1", "kind": SCALED_OBJECT.kind, "metadata": meta, "spec": body}


async def test_it_follows_the_primary_and_is_put_back(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster, autoscaler(least=2))
    await driver.for_a_while(5)
    assert scaler(cluster) == ("checkout-primary", 2, False)
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 0
    cluster.remove(ref(CANARY))
    await driver.until(lambda: cluster.store.get(ref(CANARY)) is None)
    assert scaler(cluster) == ("checkout", 2, False)


async def test_its_least_size_is_held_while_a_rollout_runs(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster, autoscaler(least=2))
    push(cluster, NEW)
    await driver.until_phase(Phase.PROMOTING)
    assert scaler(cluster) == ("checkout-primary", 3, True)
    assert json.loads(cluster.now(ref(HPA))["metadata"]["annotations"][NOTE]) == {"held": 3, "was": 2}
    await driver.until_phase(Phase.SUCCEEDED)
    await driver.for_a_while(5)
    assert scaler(cluster) == ("checkout-primary", 2, False)


async def test_a_goal_that_git_resets_is_put_back(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster, autoscaler(least=2))
    cluster.apply(autoscaler(least=2))
    cluster.edit(ref(HPA), {"spec": {"scaleTargetRef": {"name": "checkout"}}})
    await driver.for_a_while(5)
    assert scaler(cluster)[0] == "checkout-primary"


async def test_two_for_one_target_are_refused_by_name(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster, autoscaler("one", target="checkout"))
    cluster.apply(autoscaler("two", target="checkout"))
    await eventually(cluster, lambda: cluster.get(ref(HPA, "two")))
    faults = [fault for fault in driver.observe().world.faults if fault.reason == "AutoscalerConflict"]
    assert "HorizontalPodAutoscaler one and HorizontalPodAutoscaler two" in faults[0].message


async def test_a_scaled_object_is_followed_and_its_own_hpa_let_be(cluster: InMemoryCluster) -> None:
    made = autoscaler("keda-hpa-checkout", target="checkout")
    made["metadata"]["ownerReferences"] = [
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "checkout", "uid": "u", "controller": True}
    ]
    cluster.apply(scaled_object(minReplicaCount=3))
    cluster.apply(made)
    await eventually(cluster, lambda: cluster.get(ref(SCALED_OBJECT)) and cluster.get(ref(HPA, "keda-hpa-checkout")))
    found = scalers_of(cluster, "shop", "checkout")
    assert [one.name for one in found] == ["ScaledObject checkout"]
    assert seen(found[0], "checkout") == Autoscaler(
        at_primary=False, floor=3, sleeps=True, name="ScaledObject checkout", aimed_by="kubectl"
    )
    assert change(found[0], "checkout", ScalerWanted.PRIMARY, 4) == {
        "metadata": {"annotations": {NOTE: '{"held": 4, "was": 3}'}},
        "spec": {"scaleTargetRef": {"name": "checkout-primary"}, "minReplicaCount": 4},
    }


@pytest.mark.parametrize(("least", "sleeps"), [(0, True), (1, False)])
def test_an_autoscaler_that_may_take_its_goal_to_0_is_told_from_one_that_does_nothing_there(
    least: int, *, sleeps: bool
) -> None:
    """A HorizontalPodAutoscaler may have the least size 0 behind a feature gate (HPAScaleToZero)."""
    scaler = Scaler(manifest=autoscaler(least=least), goal="checkout-primary", least=least, most=6)
    assert seen(scaler, "checkout").sleeps is sleeps


@pytest.mark.parametrize(
    ("spec", "note", "floor", "patch"),
    [
        ({"minReplicaCount": 2}, None, None, {}),
        ({"minReplicaCount": 2}, None, 2, {}),
        ({}, None, 4, {"minReplicaCount": 4}),
        ({"minReplicaCount": 4}, '{"held": 4, "was": null}', None, {"minReplicaCount": None}),
        ({"minReplicaCount": 4}, '{"held": 4, "was": 2}', None, {"minReplicaCount": 2}),
        ({"minReplicaCount": 4}, '{"held": 4, "was": 2}', 5, {"minReplicaCount": 5}),
        ({"minReplicaCount": 4}, '{"held": 4, "was": 2}', 4, {}),
        ({"minReplicaCount": 4}, None, 12, {"minReplicaCount": 9}),
        ({"minReplicaCount": 6}, None, 4, {}),
        ({"minReplicaCount": 4}, '{"held": 4, "was": 3}', 2, {"minReplicaCount": 3}),
        ({"minReplicaCount": 3}, '{"held": 4, "was": 2}', None, {}),
        ({"minReplicaCount": 3}, "forged", None, {}),
    ],
    ids=[
        "nothing held, nothing to give back",
        "large enough already",
        "held where none was set",
        "given back where none was set",
        "given back",
        "held higher",
        "held already",
        "never over its own highest",
        "never under what people want",
        "never under what people wanted before",
        "what somebody set meanwhile stays",
        "a note that cannot be read",
    ],
)
async def test_holding_and_giving_back(
    cluster: InMemoryCluster, spec: dict[str, Any], note: str | None, floor: int | None, patch: dict[str, Any]
) -> None:
    manifest = scaled_object(**spec)
    manifest["metadata"]["annotations"] = {NOTE: note} if note else {}
    cluster.apply(manifest)
    await eventually(cluster, lambda: cluster.get(ref(SCALED_OBJECT)))
    found = scalers_of(cluster, "shop", "checkout")[0]
    assert change(found, "checkout", ScalerWanted.LEAVE, floor).get("spec", {}) == patch
