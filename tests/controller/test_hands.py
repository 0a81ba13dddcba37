"""What is not ours is neither made anew nor deleted, and what did not change is not written."""

from __future__ import annotations

import pytest

from canary.controller.hands import Hands
from canary.controller.names import owner_labels
from canary.errors import Conflict
from canary.ports import SERVICE
from canary.sandbox.cluster import InMemoryCluster
from meshes.contract import Manifest
from tests.builders import ref, service
from tests.embedded import eventually

pytestmark = pytest.mark.looptime


async def stored(cluster: InMemoryCluster, target: str = "") -> Manifest:
    """A Service that the cache knows, ours for a target or the user's."""
    manifest = service()
    manifest["metadata"]["labels"] = owner_labels(target) if target else {}
    live = cluster.apply(manifest)
    await eventually(cluster, lambda: cluster.get(ref(SERVICE)))
    return live


async def test_a_name_that_is_taken_is_not_asked_for(cluster: InMemoryCluster) -> None:
    await stored(cluster)
    assert await Hands(cluster, "checkout", None).create(service()) is None
    assert cluster.requests.writes == 0


async def test_the_name_of_another_canarys_object_is_taken_too(cluster: InMemoryCluster) -> None:
    await stored(cluster, "other")
    assert await Hands(cluster, "checkout", None).create(service()) is None


async def test_what_is_not_ours_is_not_deleted(cluster: InMemoryCluster) -> None:
    live = await stored(cluster, "other")
    await Hands(cluster, "checkout", None).delete(live)
    assert cluster.store.get(ref(SERVICE)) is not None


async def test_what_is_ours_is_deleted_if_it_is_still_what_was_read(cluster: InMemoryCluster) -> None:
    old = await stored(cluster, "checkout")
    new = cluster.edit(ref(SERVICE), {"metadata": {"labels": {"someone": "else"}}})
    with pytest.raises(Conflict):
        await Hands(cluster, "checkout", None).delete(old)
    await Hands(cluster, "checkout", None).delete(new)
    assert cluster.store.get(ref(SERVICE)) is None


async def test_an_empty_patch_costs_nothing_and_another_needs_the_version_that_was_read(
    cluster: InMemoryCluster,
) -> None:
    hands, old = Hands(cluster, "checkout", None), await stored(cluster)
    assert await hands.patch(old, {}) is old
    assert cluster.requests.writes == 0
    new = await hands.patch(old, {"spec": {"selector": {"a": "b"}}})
    assert new["spec"]["selector"]["a"] == "b"
    with pytest.raises(Conflict):
        await hands.patch(old, {"spec": {"selector": {"a": "c"}}})


async def test_only_our_finalizer_is_released(cluster: InMemoryCluster) -> None:
    await stored(cluster)
    live = cluster.edit(ref(SERVICE), {"metadata": {"finalizers": ["example.com/theirs", "canary.delivery/ours"]}})
    hands = Hands(cluster, "checkout", None)
    released = await hands.release(live, "canary.delivery/ours")
    assert released["metadata"]["finalizers"] == ["example.com/theirs"]
    assert await hands.release(released, "canary.delivery/ours") is released


async def test_it_is_known_whether_anything_was_sent(cluster: InMemoryCluster) -> None:
    live = await stored(cluster, "checkout")
    quiet = Hands(cluster, "checkout", None)
    await quiet.patch(live, {})
    await quiet.delete(await stored(cluster))  # the user's
    assert not quiet.wrote
    live = await stored(cluster, "checkout")
    writing = [Hands(cluster, "checkout", None) for _ in range(3)]
    live = await writing[0].patch(live, {"metadata": {"labels": {"a": "b"}}})
    await writing[1].relabel(live, {"a": None})
    latest = cluster.get(ref(SERVICE))
    assert latest is not None
    await writing[2].delete(latest)
    assert [one.wrote for one in writing] == [True, True, True]
