"""Quotas, adoption and autoscalers of the simulated cluster."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from canary.ports import DEPLOYMENT, HPA, POD, REPLICA_SET, Propagation, ref_of
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.conditions import find
from canary.sandbox.simulated import CRASHING, SimulatedRuntime
from tests.builders import autoscaler, deployment, ref
from tests.embedded import eventually, is_rolled_out, pods_of, ready_images

pytestmark = pytest.mark.looptime

CHECKOUT = ref(DEPLOYMENT)
OLD, NEW = "registry.example/checkout:1.0", "registry.example/checkout:2.0"


def says(cluster: InMemoryCluster, name: str, type_: str = "ScalingActive") -> str:
    """The reason of a condition of an autoscaler, "" when it has none."""
    found = find(cluster.now(ref(HPA, name)).get("status", {}), type_)
    return str(found["reason"]) if found else ""


def twin(name: str, **spec: Any) -> dict[str, Any]:
    """A Deployment whose pods carry the labels of `checkout`'s pods and one more."""
    labels = {"app": "checkout", "canary.delivery/role": "primary"}
    made = deployment(name, selector={"matchLabels": labels}, **spec)
    made["spec"]["template"]["metadata"]["labels"] = labels
    return made


async def test_pods_that_a_quota_refuses_are_told_by_replica_set_and_deployment(cluster: InMemoryCluster) -> None:
    cluster.limit_pods("shop", 1)
    cluster.apply(deployment(replicas=3))
    await eventually(cluster, lambda: len(ready_images(cluster)) == 1)
    [replica_set] = cluster.store.list(REPLICA_SET, "shop")

    for live in (replica_set, cluster.now(CHECKOUT)):
        failure = find(live["status"], "ReplicaFailure")
        assert failure is not None
        assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
        assert "exceeded quota: pods, requested: pods=1, used: pods=1, limited: pods=1" in failure["message"]

    await asyncio.sleep(30)
    cluster.limit_pods("shop", None)
    await eventually(cluster, lambda: is_rolled_out(cluster))
    assert find(cluster.now(CHECKOUT)["status"], "ReplicaFailure") is None


async def test_a_quota_of_none_leaves_no_pods_at_all(cluster: InMemoryCluster) -> None:
    cluster.limit_pods("shop", 0)
    cluster.apply(deployment())
    await asyncio.sleep(30)

    assert cluster.store.list(POD, "shop") == []


async def test_overlapping_selectors_take_nothing_from_each_other(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=2))
    cluster.apply(twin("checkout-primary", replicas=3))
    await eventually(cluster, lambda: is_rolled_out(cluster) and is_rolled_out(cluster, "checkout-primary"))
    await asyncio.sleep(60)

    assert (len(pods_of(cluster, "checkout")), len(pods_of(cluster, "checkout-primary"))) == (2, 3)


async def test_an_orphan_is_adopted_unless_it_is_being_deleted(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=2))
    await eventually(cluster, lambda: is_rolled_out(cluster))
    [first, second] = [ref(POD, pod["metadata"]["name"]) for pod in pods_of(cluster, "checkout")]
    cluster.remove(CHECKOUT, Propagation.ORPHAN)
    await asyncio.sleep(1)
    [replica_set] = cluster.store.list(REPLICA_SET, "shop")
    cluster.remove(ref_of(replica_set), Propagation.ORPHAN)
    await asyncio.sleep(1)
    assert "ownerReferences" not in cluster.now(first)["metadata"]
    cluster.edit(second, {"metadata": {"finalizers": ["test/holds"]}})
    cluster.remove(second)

    cluster.apply(deployment(replicas=2))
    await eventually(cluster, lambda: is_rolled_out(cluster))

    hash_ = replica_set["metadata"]["labels"]["pod-template-hash"]
    owner = cluster.now(first)["metadata"]["ownerReferences"][0]["name"]
    assert (owner, len(pods_of(cluster, "checkout"))) == (f"checkout-{hash_}", 2)
    assert "ownerReferences" not in cluster.now(second)["metadata"]


async def test_the_pods_least_worth_go_first(cluster: InMemoryCluster, runtime: SimulatedRuntime) -> None:
    cluster.apply(deployment(replicas=2))
    await eventually(cluster, lambda: is_rolled_out(cluster))
    keep = {pod["metadata"]["name"] for pod in pods_of(cluster, "checkout")}
    runtime.usual = CRASHING
    cluster.edit(CHECKOUT, {"spec": {"replicas": 4}})
    await asyncio.sleep(5)

    cluster.edit(CHECKOUT, {"spec": {"replicas": 2}})
    await asyncio.sleep(5)

    assert {pod["metadata"]["name"] for pod in pods_of(cluster, "checkout")} == keep


async def test_scaling_in_mid_roll_is_shared_in_proportion(cluster: InMemoryCluster, runtime: SimulatedRuntime) -> None:
    runtime.by_tag["2.0"] = CRASHING
    cluster.apply(deployment(image=OLD, replicas=8))
    await eventually(cluster, lambda: is_rolled_out(cluster))
    cluster.apply(deployment(image=NEW, replicas=8))
    await asyncio.sleep(5)
    cluster.edit(CHECKOUT, {"spec": {"paused": True}})
    await asyncio.sleep(1)

    cluster.edit(CHECKOUT, {"spec": {"replicas": 16}})
    await asyncio.sleep(5)

    sets = cluster.store.list(REPLICA_SET, "shop")
    sizes = {each["spec"]["template"]["spec"]["containers"][0]["image"]: each["spec"]["replicas"] for each in sets}
    assert sizes == {OLD: 12, NEW: 8}


async def test_min_ready_seconds_delay_availability(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=1, minReadySeconds=20))
    await eventually(cluster, lambda: ready_images(cluster) == [OLD])
    assert not is_rolled_out(cluster)

    await eventually(cluster, lambda: is_rolled_out(cluster))

    assert 21 <= asyncio.get_running_loop().time() <= 23


@pytest.mark.parametrize(("size", "enforced"), [(1, 2), (9, 6), (4, 4)])
async def test_an_autoscaler_without_metrics_enforces_its_bounds(
    cluster: InMemoryCluster, size: int, enforced: int
) -> None:
    cluster.apply(deployment(replicas=size))
    cluster.apply(autoscaler(least=2, most=6))
    await asyncio.sleep(40)

    assert cluster.now(CHECKOUT)["spec"]["replicas"] == enforced
    assert says(cluster, "checkout") == "FailedGetResourceMetric"


async def test_an_autoscaler_leaves_a_target_of_size_0_alone(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=0))
    cluster.apply(autoscaler())
    await asyncio.sleep(40)

    assert (cluster.now(CHECKOUT)["spec"]["replicas"], says(cluster, "checkout")) == (0, "ScalingDisabled")


async def test_two_autoscalers_that_select_the_same_pods_both_refuse(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=0))
    cluster.apply(twin("checkout-primary", replicas=1))
    cluster.apply(autoscaler("users", target="checkout"))
    cluster.apply(autoscaler("copy", target="checkout-primary"))
    await asyncio.sleep(60)

    assert (says(cluster, "users"), says(cluster, "copy")) == ("AmbiguousSelector", "AmbiguousSelector")
    assert cluster.now(ref(DEPLOYMENT, "checkout-primary"))["spec"]["replicas"] == 1

    cluster.remove(ref(HPA, "copy"))
    cluster.edit(ref(HPA, "users"), {"spec": {"scaleTargetRef": {"name": "checkout-primary"}}})
    await asyncio.sleep(60)
    assert cluster.now(ref(DEPLOYMENT, "checkout-primary"))["spec"]["replicas"] == 2


async def test_an_autoscaler_without_a_target_says_so(cluster: InMemoryCluster) -> None:
    cluster.apply(autoscaler())
    await asyncio.sleep(40)

    assert says(cluster, "checkout", "AbleToScale") == "FailedGetScale"
