"""The kubelet and the simulated runtime: how pods become ready, crash, cannot be pulled, end and are evicted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from canary.errors import Unavailable
from canary.ports import DEPLOYMENT, POD, ref_of
from canary.sandbox.calls import Call, Verb
from canary.sandbox.client import Client
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.conditions import find
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.simulated import CRASHING, NEVER_READY, UNPULLABLE, PodBehaviour, SimulatedRuntime
from tests.builders import deployment, ref
from tests.embedded import eventually, is_rolled_out, pods_of, ready_images

pytestmark = pytest.mark.looptime


def only_pod(cluster: InMemoryCluster) -> dict[str, Any]:
    [pod] = cluster.store.list(POD, "shop")
    return dict(pod)


def container(cluster: InMemoryCluster) -> dict[str, Any]:
    """The status of the only pod's container, {} before there is one."""
    pods = cluster.store.list(POD, "shop")
    statuses = pods[0].get("status", {}).get("containerStatuses", [{}]) if pods else [{}]
    return dict(statuses[0])


def waits_for(cluster: InMemoryCluster) -> str:
    return str(container(cluster).get("state", {}).get("waiting", {}).get("reason", ""))


async def test_a_pod_becomes_ready_after_its_delay(cluster: InMemoryCluster, runtime: SimulatedRuntime) -> None:
    runtime.usual = PodBehaviour(ready_after=7.0)
    cluster.apply(deployment(replicas=1))
    await eventually(cluster, lambda: container(cluster))
    assert (only_pod(cluster)["status"]["phase"], waits_for(cluster)) == ("Pending", "ContainerCreating")

    await eventually(cluster, lambda: is_rolled_out(cluster))

    assert 7.0 <= asyncio.get_running_loop().time() <= 8.0
    status = only_pod(cluster)["status"]
    assert (status["phase"], status["podIP"]) == ("Running", "10.244.0.1")
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "PodScheduled": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
    }
    assert container(cluster) == {
        "name": "app",
        "image": "registry.example/checkout:1.0",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": "2026-01-01T00:00:07Z"}},
        "lastState": {},
    }


async def test_a_pod_that_is_never_ready_runs_without_being_so(
    cluster: InMemoryCluster, runtime: SimulatedRuntime
) -> None:
    runtime.usual = NEVER_READY
    cluster.apply(deployment(replicas=1))
    await asyncio.sleep(600)

    status = only_pod(cluster)["status"]
    ready = find(status, "Ready")
    assert ready is not None
    assert (status["phase"], ready["status"], container(cluster)["restartCount"]) == ("Running", "False", 0)
    assert "running" in container(cluster)["state"]


async def test_a_crashing_container_is_restarted_with_ever_longer_waits(
    cluster: InMemoryCluster, runtime: SimulatedRuntime
) -> None:
    runtime.usual = CRASHING
    cluster.apply(deployment(replicas=1))
    restarts: dict[int, float] = {}

    def note(_: object) -> None:
        restarts.setdefault(container(cluster).get("restartCount", 0), round(asyncio.get_running_loop().time()))

    cluster.subscribe(note)
    await eventually(cluster, lambda: waits_for(cluster) == "CrashLoopBackOff")
    assert only_pod(cluster)["status"]["phase"] == "Running"
    assert container(cluster)["lastState"]["terminated"]["reason"] == "Error"
    await asyncio.sleep(75)

    assert restarts == {0: 0, 1: 1, 2: 11, 3: 32, 4: 72}


async def test_an_image_that_cannot_be_pulled_is_tried_again_and_told(
    cluster: InMemoryCluster, runtime: SimulatedRuntime
) -> None:
    runtime.usual = UNPULLABLE
    cluster.apply(deployment(replicas=1))

    await eventually(cluster, lambda: waits_for(cluster) == "ErrImagePull")
    await eventually(cluster, lambda: waits_for(cluster) == "ImagePullBackOff")
    await eventually(cluster, lambda: waits_for(cluster) == "ErrImagePull")
    assert (only_pod(cluster)["status"]["phase"], container(cluster)["restartCount"]) == ("Pending", 0)

    runtime.usual = PodBehaviour()
    await eventually(cluster, lambda: is_rolled_out(cluster))


async def test_a_ready_pod_that_dies_is_not_ready_until_it_is_restarted(
    cluster: InMemoryCluster, runtime: SimulatedRuntime
) -> None:
    cluster.apply(deployment(replicas=1))
    await eventually(cluster, lambda: is_rolled_out(cluster))

    runtime.kill(only_pod(cluster)["metadata"]["name"])

    await eventually(cluster, lambda: ready_images(cluster) == [])
    await eventually(cluster, lambda: ready_images(cluster) != [])
    assert container(cluster)["restartCount"] == 1


async def test_an_image_may_die_again_and_again_after_being_ready(
    cluster: InMemoryCluster, runtime: SimulatedRuntime
) -> None:
    runtime.by_tag["1.0"] = PodBehaviour(dies_after=30.0)
    cluster.apply(deployment(replicas=1))
    await asyncio.sleep(120)

    assert container(cluster)["restartCount"] >= 2


async def test_a_deleted_pod_stays_until_it_has_ended(cluster: InMemoryCluster, runtime: SimulatedRuntime) -> None:
    runtime.usual = PodBehaviour(stop_after=12.0)
    cluster.apply(deployment(replicas=1))
    await eventually(cluster, lambda: is_rolled_out(cluster))
    gone = only_pod(cluster)
    cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 0}})
    await asyncio.sleep(11)
    assert "deletionTimestamp" in only_pod(cluster)["metadata"]
    assert runtime.running == {gone["metadata"]["name"]}

    await asyncio.sleep(2)

    assert cluster.store.list(POD, "shop") == []
    assert runtime.running == set()


async def test_an_evicted_pod_stays_as_failed_and_another_takes_its_place(
    cluster: InMemoryCluster, kubelet: Kubelet, runtime: SimulatedRuntime
) -> None:
    cluster.apply(deployment(replicas=1))
    await eventually(cluster, lambda: is_rolled_out(cluster))
    [victim] = pods_of(cluster, "checkout")

    kubelet.evict(ref_of(victim))
    await eventually(cluster, lambda: [pod["metadata"]["name"] for pod in pods_of(cluster, "checkout")] != [])
    await eventually(cluster, lambda: is_rolled_out(cluster))
    await asyncio.sleep(5)

    status = cluster.now(ref_of(victim))["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    [successor] = pods_of(cluster, "checkout")
    assert runtime.running == {successor["metadata"]["name"]}


async def test_behaviour_can_be_chosen_for_each_pod(cluster: InMemoryCluster, runtime: SimulatedRuntime) -> None:
    started: list[str] = []

    def first_only(pod: Any) -> PodBehaviour | None:
        started.append(pod["metadata"]["name"])
        return None if pod["metadata"]["name"] == started[0] else NEVER_READY

    runtime.choose = first_only
    cluster.apply(deployment(replicas=3))
    await asyncio.sleep(30)

    assert len(ready_images(cluster)) == 1


async def test_a_kubelet_whose_writes_fail_tries_again(runtime: SimulatedRuntime) -> None:
    cluster = InMemoryCluster()
    client: Client = cluster.client("kubelet")
    failures = iter([True, False, True, False, True])

    def flaky(call: Call) -> None:
        if call.verb is Verb.PATCH and next(failures, False):
            raise Unavailable("overloaded")

    client.before = flaky
    async with Kubelet(client, runtime, cluster.clock):
        cluster.apply(deployment(replicas=2))
        await eventually(cluster, lambda: is_rolled_out(cluster))
    cluster.close()
