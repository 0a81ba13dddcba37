"""Somebody deletes `-primary`: who serves meanwhile, and how it comes back."""

from __future__ import annotations

import pytest

from canary.controller import objects
from canary.controller.names import labels_of, primary_labels
from canary.ports import CONTROLLER_REVISION, DEPLOYMENT, POD, REPLICA_SET, SERVICE, Propagation
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.replicasets import is_ready
from meshes.contract import Manifest
from tests.builders import autoscaler, ref
from tests.controller.driver import NEW, OLD, Driver, onboarded, push
from tests.controller.test_leaving import fewest_behind
from tests.embedded import ready_images

pytestmark = pytest.mark.looptime

PRIMARY = ref(DEPLOYMENT, "checkout-primary")


def uid(cluster: InMemoryCluster) -> str:
    return str((cluster.store.get(PRIMARY) or {"metadata": {"uid": ""}})["metadata"]["uid"])


async def test_the_deployment_stands_in_until_it_is_made_again(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    fewest, before = fewest_behind(cluster, "checkout"), uid(cluster)
    cluster.remove(PRIMARY)
    await driver.until(lambda: uid(cluster) not in ("", before) and driver.status.phase is Phase.INITIALIZED)
    assert fewest() > 0
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 0
    assert "canary.delivery/role" in cluster.now(ref(SERVICE))["spec"]["selector"]
    assert "PrimaryDeleted" in driver.notices


async def test_deleted_so_that_its_pods_go_it_is_made_again_at_once(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    before = uid(cluster)
    cluster.remove(PRIMARY, Propagation.FOREGROUND)
    await driver.until(lambda: uid(cluster) not in ("", before), within=10)
    await driver.until(lambda: ready_images(cluster, "checkout-primary") == [OLD] * 3, within=10)


def serving(cluster: InMemoryCluster) -> list[str]:
    """The uids of the ready pods of `-primary`, whoever owns their ReplicaSet."""
    pods = cluster.store.list(POD, "shop", {"canary.delivery/role": "primary"})
    return sorted(pod["metadata"]["uid"] for pod in pods if is_ready(pod))


async def test_an_orphans_pods_go_on_and_the_next_one_adopts_them(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    await driver.for_a_while(30)
    before, pods, changed = uid(cluster), serving(cluster), set[str]()
    cluster.store.listen(lambda event: changed.add(event.ref.name) if event.ref.kind in (SERVICE, POD) else None)
    cluster.remove(PRIMARY, Propagation.ORPHAN)
    await driver.until(lambda: uid(cluster) not in ("", before), within=2)
    await driver.for_a_while(60)
    assert (serving(cluster), changed) == (pods, set())
    assert [one["metadata"]["ownerReferences"][0]["uid"] for one in sets(cluster)] == [uid(cluster)]
    assert (driver.status.phase, cluster.now(ref(DEPLOYMENT))["spec"]["replicas"]) == (Phase.INITIALIZED, 0)


def sets(cluster: InMemoryCluster) -> list[Manifest]:
    """The ReplicaSets of what serves."""
    return cluster.store.list(REPLICA_SET, "shop", {"canary.delivery/role": "primary"})


async def test_an_orphan_comes_back_as_large_as_its_autoscaler_made_it(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster, autoscaler(least=2))
    cluster.edit(PRIMARY, {"spec": {"replicas": 5}}, "horizontal-pod-autoscaler")
    await driver.until(lambda: len(serving(cluster)) == 5)
    pods, before = serving(cluster), uid(cluster)
    cluster.remove(PRIMARY, Propagation.ORPHAN)
    await driver.until(lambda: uid(cluster) not in ("", before), within=2)
    await driver.for_a_while(10)
    assert serving(cluster) == pods


async def test_a_replicaset_of_the_primary_loses_the_users_labels_and_its_pods_keep_them(
    cluster: InMemoryCluster,
) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until_phase(Phase.SUCCEEDED)
    assert {image_of(one) for one in sets(cluster)} == {OLD, NEW}
    for one in sets(cluster):
        template, pin = one["spec"]["template"]["metadata"]["labels"], labels_of(one)["pod-template-hash"]
        assert labels_of(one) == {**primary_labels("checkout"), "pod-template-hash": pin}
        assert template == {"app": "checkout", "team": "payments", **labels_of(one)}
    [pod, *_] = cluster.store.list(POD, "shop", {"canary.delivery/role": "primary"})
    assert labels_of(pod)["app"] == "checkout"


async def test_a_promotion_costs_one_write_of_a_replicaset(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    cluster.requests.clear()
    push(cluster, NEW)
    await driver.until_phase(Phase.SUCCEEDED)
    assert [call.body for call in cluster.requests.log if call.ref.kind == REPLICA_SET] == [
        {"metadata": {"uid": one["metadata"]["uid"], "labels": {"app": None, "team": None}}}
        for one in sets(cluster)
        if image_of(one) == NEW
    ]


def image_of(owner: Manifest) -> str:
    return str(owner["spec"]["template"]["spec"]["containers"][0]["image"])


async def of_before(cluster: InMemoryCluster, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """Come to rest with a `-primary` that has the selector of an earlier controller."""
    whole = {"matchLabels": {"app": "checkout", **primary_labels("checkout")}}
    with monkeypatch.context() as earlier:
        earlier.setattr(objects, "primary_selector", lambda _: whole)
        driver = await onboarded(cluster)
    assert cluster.now(PRIMARY)["spec"]["selector"] == whole
    return driver


async def test_replicasets_of_an_earlier_primary_are_left_as_they_are(
    cluster: InMemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = await of_before(cluster, monkeypatch)
    pods = serving(cluster)
    await driver.for_a_while(30)
    assert [labels_of(one)["app"] for one in sets(cluster)] == ["checkout"]
    assert (serving(cluster), driver.observe().world.faults) == (pods, ())
    push(cluster, NEW)
    await driver.until_phase(Phase.SUCCEEDED)
    assert ready_images(cluster, "checkout-primary") == [NEW] * 3
    assert {labels_of(one)["app"] for one in sets(cluster)} == {"checkout"}


async def test_an_earlier_primary_that_is_deleted_comes_back_with_our_labels_alone_as_its_selector(
    cluster: InMemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = await of_before(cluster, monkeypatch)
    fewest, before = fewest_behind(cluster, "checkout"), uid(cluster)
    cluster.remove(PRIMARY)
    await driver.until(lambda: uid(cluster) not in ("", before) and driver.status.phase is Phase.INITIALIZED)
    await driver.for_a_while(5)
    assert fewest() > 0
    assert cluster.now(PRIMARY)["spec"]["selector"] == {"matchLabels": primary_labels("checkout")}
    assert [labels_of(one).get("app") for one in sets(cluster)] == [None]


async def test_behind_a_wide_service_an_earlier_orphans_pods_give_way_to_the_candidates(
    cluster: InMemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = await of_before(cluster, monkeypatch)
    before = uid(cluster)
    cluster.remove(PRIMARY, Propagation.ORPHAN)
    await driver.until(lambda: cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}, within=1)
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 3
    assert len(ready_images(cluster)) < 3
    await driver.until(lambda: uid(cluster) not in ("", before) and driver.status.phase is Phase.INITIALIZED)
    assert ready_images(cluster, "checkout-primary") == [OLD] * 3
    assert cluster.now(ref(DEPLOYMENT))["spec"]["replicas"] == 0


async def test_in_mid_rollout_it_is_made_again_from_what_was_stored(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster)
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    before = uid(cluster)
    cluster.remove(PRIMARY)
    await driver.until(lambda: uid(cluster) not in ("", before), within=10)
    await driver.until(lambda: ready_images(cluster, "checkout-primary") == [OLD] * 3, within=30)
    assert len(cluster.store.list(CONTROLLER_REVISION, "shop")) == 2
