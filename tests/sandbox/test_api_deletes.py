"""Deletion in the in-memory cluster: preconditions, finalizers, the three propagations, terminating namespaces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from canary.errors import Conflict, Rejected
from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD, REPLICA_SET, SERVICE, Propagation
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.owners import owner_reference
from meshes.contract import ObjectRef
from tests.builders import canary, deployment, ref, service
from tests.embedded import eventually, is_rolled_out

pytestmark = pytest.mark.looptime

CHECKOUT = ref(DEPLOYMENT)
FINALIZER = "canary.delivery/restore"


def config(name: str, owner: dict[str, Any] | None = None) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "namespace": "shop"}
    if owner:
        meta["ownerReferences"] = [owner_reference(owner)]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


async def test_a_delete_asks_for_the_very_object_that_was_seen(cluster: InMemoryCluster) -> None:
    seen = await cluster.create(service())
    meta = seen["metadata"]
    cluster.edit(ref(SERVICE), {"metadata": {"labels": {"a": "b"}}})

    with pytest.raises(Conflict):
        await cluster.delete(ref(SERVICE), uid=meta["uid"], resource_version=meta["resourceVersion"])
    newer = cluster.now(ref(SERVICE))["metadata"]["resourceVersion"]
    with pytest.raises(Conflict, match="UID"):
        await cluster.delete(ref(SERVICE), uid="another", resource_version=newer)
    await cluster.delete(ref(SERVICE), uid=meta["uid"], resource_version=newer)

    assert await cluster.read(ref(SERVICE)) is None


async def test_a_delete_that_only_marks_is_in_the_cache_at_once(cluster: InMemoryCluster) -> None:
    manifest = canary()
    manifest["metadata"]["finalizers"] = [FINALIZER]
    meta = (await cluster.create(manifest))["metadata"]
    cluster.lag = 60.0

    await cluster.delete(ref(CANARY), uid=meta["uid"], resource_version=meta["resourceVersion"])

    assert cluster.get(ref(CANARY)) == cluster.now(ref(CANARY))
    assert "deletionTimestamp" in cluster.now(ref(CANARY))["metadata"]


async def test_deleting_what_is_gone_is_success(cluster: InMemoryCluster) -> None:
    await cluster.delete(ref(SERVICE), uid="any", resource_version="1")


async def test_a_finalizer_keeps_the_object_until_it_is_taken_away(cluster: InMemoryCluster) -> None:
    manifest = canary()
    manifest["metadata"]["finalizers"] = [FINALIZER]
    cluster.apply(manifest)
    await asyncio.sleep(3)

    cluster.remove(ref(CANARY))
    marked = cluster.now(ref(CANARY))["metadata"]
    assert (marked["deletionTimestamp"], marked["generation"]) == ("2026-01-01T00:00:03Z", 2)
    with pytest.raises(Rejected, match="no new finalizers can be added"):
        cluster.edit(ref(CANARY), {"metadata": {"finalizers": [FINALIZER, "other/one"]}})

    await cluster.patch(ref(CANARY), {"metadata": {"finalizers": None}}, resource_version=marked["resourceVersion"])
    assert await cluster.read(ref(CANARY)) is None
    assert await eventually(cluster, lambda: cluster.get(ref(CANARY)) is None)


@pytest.mark.parametrize("propagation", [Propagation.BACKGROUND, Propagation.FOREGROUND])
async def test_what_a_deployment_owns_goes_with_it(cluster: InMemoryCluster, propagation: Propagation) -> None:
    cluster.apply(deployment())
    await eventually(cluster, lambda: is_rolled_out(cluster))
    order: list[str] = []
    cluster.store.listen(lambda event: order.append(event.ref.kind.kind) if event.change == "DELETED" else None)

    cluster.remove(CHECKOUT, propagation)
    await eventually(cluster, lambda: not cluster.store.list(POD) and cluster.store.get(CHECKOUT) is None)

    background, foreground = ["Deployment", "ReplicaSet", *["Pod"] * 3], [*["Pod"] * 3, "ReplicaSet", "Deployment"]
    assert order == (background if propagation is Propagation.BACKGROUND else foreground)


async def test_foreground_takes_the_pods_though_a_finalizer_holds_the_deployment(cluster: InMemoryCluster) -> None:
    manifest = deployment()
    manifest["metadata"]["finalizers"] = ["canary.delivery/primary"]
    cluster.apply(manifest)
    await eventually(cluster, lambda: is_rolled_out(cluster))

    cluster.remove(CHECKOUT, Propagation.FOREGROUND)
    await eventually(cluster, lambda: not cluster.store.list(POD))

    await asyncio.sleep(1)

    assert cluster.now(CHECKOUT)["metadata"]["finalizers"] == ["canary.delivery/primary"]


@pytest.mark.parametrize("first", [Propagation.BACKGROUND, Propagation.FOREGROUND])
async def test_a_second_deletion_overrides_how_the_first_one_deletes(
    cluster: InMemoryCluster, first: Propagation
) -> None:
    manifest = deployment()
    manifest["metadata"]["finalizers"] = ["canary.delivery/primary"]
    cluster.apply(manifest)
    await eventually(cluster, lambda: is_rolled_out(cluster))
    pods = [pod["metadata"]["uid"] for pod in cluster.store.list(POD)]

    cluster.remove(CHECKOUT, first)
    cluster.remove(CHECKOUT, Propagation.ORPHAN)
    assert cluster.now(CHECKOUT)["metadata"]["finalizers"] == ["canary.delivery/primary", "orphan"]
    await asyncio.sleep(1)
    cluster.edit(CHECKOUT, {"metadata": {"finalizers": None}})
    await asyncio.sleep(1)

    assert cluster.store.get(CHECKOUT) is None
    assert [pod["metadata"]["uid"] for pod in cluster.store.list(POD)] == pods


async def test_orphans_of_one_deployment_are_adopted_by_another_that_selects_them(cluster: InMemoryCluster) -> None:
    wide = deployment("wide", selector={"matchLabels": {"team": "payments"}}, replicas=0)
    cluster.apply(deployment())
    cluster.apply(wide)
    await eventually(cluster, lambda: is_rolled_out(cluster))
    [mine] = [each for each in cluster.store.list(REPLICA_SET) if each["metadata"]["name"].startswith("checkout")]
    assert mine["metadata"]["ownerReferences"][0]["name"] == "checkout"

    cluster.remove(CHECKOUT, Propagation.ORPHAN)
    await eventually(cluster, lambda: not cluster.store.list(POD))

    orphan = cluster.now(ref(REPLICA_SET, mine["metadata"]["name"]))
    assert (orphan["metadata"]["ownerReferences"][0]["name"], orphan["spec"]["replicas"]) == ("wide", 0)


async def test_an_object_goes_when_the_last_of_its_owners_is_gone(cluster: InMemoryCluster) -> None:
    first, second = cluster.apply(config("a")), cluster.apply(config("b"))
    owned = config("owned", dict(first))
    owned["metadata"]["ownerReferences"].append({**owner_reference(second), "controller": False})
    cluster.apply(owned)

    cluster.remove(ref(CONFIG_MAP, "a"))
    await asyncio.sleep(1)
    left = [owner["name"] for owner in cluster.now(ref(CONFIG_MAP, "owned"))["metadata"]["ownerReferences"]]
    assert left == ["b"]

    cluster.remove(ref(CONFIG_MAP, "b"))
    await asyncio.sleep(1)
    assert cluster.store.get(ref(CONFIG_MAP, "owned")) is None


async def test_an_object_whose_owner_was_never_there_goes(cluster: InMemoryCluster) -> None:
    owner = dict(cluster.apply(config("a")))
    cluster.remove(ref(CONFIG_MAP, "a"))
    cluster.apply(config("late", owner))

    await eventually(cluster, lambda: cluster.get(ref(CONFIG_MAP, "late")) is None)


async def test_a_terminating_namespace_takes_nothing_new_and_goes_once_it_is_empty(cluster: InMemoryCluster) -> None:
    manifest = canary()
    manifest["metadata"]["finalizers"] = [FINALIZER]
    cluster.apply(manifest)
    cluster.apply(deployment())
    await eventually(cluster, lambda: is_rolled_out(cluster))
    shop = ObjectRef(NAMESPACE, "", "shop")

    cluster.remove(shop)
    assert cluster.now(shop)["status"]["phase"] == "Terminating"
    with pytest.raises(Rejected, match="because it is being terminated"):
        await cluster.create(service())
    await asyncio.sleep(30)
    left = cluster.store.objects.inside("shop")
    assert left == [ref(CANARY)]

    cluster.edit(ref(CANARY), {"metadata": {"finalizers": None}})
    await eventually(cluster, lambda: cluster.get(shop) is None)
