"""The simulated Deployment controller as tried on Kubernetes 1.36: rolls, scaling, pauses and their order."""

from __future__ import annotations

import asyncio

import pytest

from canary.ports import DEPLOYMENT, POD, REPLICA_SET
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.conditions import find
from canary.sandbox.simulated import CRASHING, NEVER_READY, SimulatedRuntime
from tests.builders import deployment, ref
from tests.embedded import eventually, is_rolled_out, pods_of, ready_images

pytestmark = pytest.mark.looptime

CHECKOUT = ref(DEPLOYMENT)
OLD, NEW = "registry.example/checkout:1.0", "registry.example/checkout:2.0"


def sizes(cluster: InMemoryCluster) -> dict[str, int]:
    """The size of each ReplicaSet, by its image."""
    sets = cluster.store.list(REPLICA_SET, "shop")
    return {each["spec"]["template"]["spec"]["containers"][0]["image"]: each["spec"]["replicas"] for each in sets}


async def test_a_new_deployment_gets_its_pods(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=3))

    await eventually(cluster, lambda: is_rolled_out(cluster))

    status = dict(cluster.now(CHECKOUT)["status"])
    conditions = status.pop("conditions")
    assert status == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
    }
    assert {each["type"]: (each["status"], each["reason"]) for each in conditions} == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert cluster.now(CHECKOUT)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


async def test_a_roll_never_has_fewer_available_pods_than_allowed(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(image=OLD, replicas=4))
    await eventually(cluster, lambda: is_rolled_out(cluster))
    counts: list[tuple[int, int]] = []
    cluster.subscribe(lambda _: counts.append((len(ready_images(cluster)), len(pods_of(cluster, "checkout")))))

    cluster.apply(deployment(image=NEW, replicas=4))
    await eventually(cluster, lambda: ready_images(cluster) == [NEW] * 4 and is_rolled_out(cluster))

    assert min(ready for ready, _ in counts) == 3
    assert max(pods for _, pods in counts) == 5
    assert sizes(cluster) == {OLD: 0, NEW: 4}


async def test_recreate_lets_no_old_pod_meet_a_new_one(cluster: InMemoryCluster) -> None:
    recreate = {"type": "Recreate"}
    cluster.apply(deployment(image=OLD, replicas=2, strategy=recreate))
    await eventually(cluster, lambda: is_rolled_out(cluster))
    seen: set[frozenset[str]] = set()

    def note(_: object) -> None:
        pods = cluster.store.list(POD, "shop")  # Those that are ending too.
        seen.add(frozenset(pod["spec"]["containers"][0]["image"] for pod in pods))

    cluster.subscribe(note)

    cluster.apply(deployment(image=NEW, replicas=2, strategy=recreate))
    await eventually(cluster, lambda: ready_images(cluster) == [NEW] * 2)

    assert seen == {frozenset({OLD}), frozenset(), frozenset({NEW})}


async def test_a_paused_deployment_makes_no_new_replica_set_but_scales(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(image=OLD, replicas=2))
    await eventually(cluster, lambda: is_rolled_out(cluster))

    cluster.edit(CHECKOUT, {"spec": {"paused": True}})
    cluster.apply(deployment(image=NEW, replicas=5))
    await eventually(cluster, lambda: ready_images(cluster) == [OLD] * 5)
    await asyncio.sleep(30)
    assert sizes(cluster) == {OLD: 5}
    says = find(cluster.now(CHECKOUT)["status"], "Progressing")
    assert says is not None
    assert (says["status"], says["reason"]) == ("Unknown", "DeploymentPaused")

    cluster.edit(CHECKOUT, {"spec": {"paused": None}})
    await eventually(cluster, lambda: ready_images(cluster) == [NEW] * 5)


async def test_image_and_replicas_changed_together_are_observed_before_the_new_replica_set_is_there(
    cluster: InMemoryCluster,
) -> None:
    cluster.apply(deployment(image=OLD, replicas=2))
    await eventually(cluster, lambda: is_rolled_out(cluster))
    seen: list[tuple[int, str, int]] = []

    def look(_: object) -> None:
        live = cluster.now(CHECKOUT)
        revision = live["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        seen.append((live["metadata"]["generation"], revision, live["status"]["observedGeneration"]))

    cluster.subscribe(look)
    cluster.apply(deployment(image=NEW, replicas=3))
    await eventually(cluster, lambda: ready_images(cluster) == [NEW] * 3)

    assert (2, "1", 2) in seen
    assert seen[-1] == (2, "2", 2)


async def test_going_back_to_an_older_template_uses_its_replica_set_under_a_new_revision(
    cluster: InMemoryCluster,
) -> None:
    for image in (OLD, NEW, OLD):
        cluster.apply(deployment(image=image))
        await eventually(cluster, lambda image=image: ready_images(cluster) == [image] * 3)  # type: ignore[misc]

    assert sizes(cluster) == {OLD: 3, NEW: 0}
    assert cluster.now(CHECKOUT)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


async def test_annotations_reach_the_replica_set_and_raise_the_generation(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment())
    await eventually(cluster, lambda: is_rolled_out(cluster))

    cluster.edit(CHECKOUT, {"metadata": {"annotations": {"canary.delivery/command": "abort"}}})
    await asyncio.sleep(1)

    [replica_set] = cluster.store.list(REPLICA_SET, "shop")
    assert replica_set["metadata"]["annotations"]["canary.delivery/command"] == "abort"
    assert cluster.now(CHECKOUT)["metadata"]["generation"] == 2


async def test_a_roll_that_makes_no_progress_is_told_after_its_deadline(
    cluster: InMemoryCluster, runtime: SimulatedRuntime
) -> None:
    runtime.by_tag["2.0"] = NEVER_READY
    cluster.apply(deployment(image=OLD, replicas=2, progressDeadlineSeconds=60))
    await eventually(cluster, lambda: is_rolled_out(cluster))

    cluster.apply(deployment(image=NEW, replicas=2, progressDeadlineSeconds=60))

    def reason() -> str:
        says = find(cluster.now(CHECKOUT)["status"], "Progressing")
        return str(says["reason"]) if says else ""

    began = asyncio.get_running_loop().time()
    await eventually(cluster, lambda: reason() == "ProgressDeadlineExceeded", within=120)
    assert 60 <= asyncio.get_running_loop().time() - began <= 65
    assert ready_images(cluster) == [OLD, OLD]


async def test_a_push_to_a_deployment_whose_pods_crash_takes_the_unhealthy_ones_first(
    cluster: InMemoryCluster, runtime: SimulatedRuntime
) -> None:
    runtime.by_tag["bad"] = CRASHING
    cluster.apply(deployment(image=OLD, replicas=2))
    await eventually(cluster, lambda: is_rolled_out(cluster))
    cluster.apply(deployment(image="registry.example/checkout:bad", replicas=2))
    await asyncio.sleep(20)
    assert ready_images(cluster) == [OLD, OLD]

    cluster.apply(deployment(image=NEW, replicas=2))
    await eventually(cluster, lambda: ready_images(cluster) == [NEW, NEW])


async def test_old_replica_sets_beyond_the_history_limit_go(cluster: InMemoryCluster) -> None:
    for version in range(5):
        image = f"registry.example/checkout:{version}"
        cluster.apply(deployment(image=image, replicas=1, revisionHistoryLimit=2))
        await eventually(cluster, lambda image=image: ready_images(cluster) == [image])  # type: ignore[misc]
    await asyncio.sleep(10)

    assert sizes(cluster) == {f"registry.example/checkout:{version}": int(version == 4) for version in (2, 3, 4)}
