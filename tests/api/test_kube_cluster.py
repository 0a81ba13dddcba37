"""The contract of the Cluster port, held to a real API server and to the in-memory one by the same tests.

Where the two differ: their messages have other words; the real server gives each namespace a ConfigMap
`kube-root-ca.crt`; it holds values to the schemas of custom resources and of built-in kinds, where the in-memory one
only prunes what a schema does not know; its caches may hear of what a call did before the call returns.
Beyond the port: the ReplicaSet of a Deployment that is deleted as an orphan may be adopted by another Deployment and
scaled to 0 before a controller has seen it; in memory controllers take turns, and ours comes before that.
Server-side apply with force removes in memory what its manager applied before, though another has set it since, and
replaces all lists whole; the real server keeps each field's owners, and merges the lists that have keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from canary.errors import AlreadyExists, Conflict, NotFound, Rejected
from canary.index import Selection
from canary.ports import CANARY, Change
from canary.sandbox.kinds import VIRTUAL_SERVICE
from meshes.contract import Kind
from tests.api.contract import ROOT_CA, Contract, in_memory, real
from tests.api.control_plane import ControlPlane
from tests.builders import canary, virtual_service

pytestmark = pytest.mark.xdist_group("api")


@pytest.fixture(params=["in memory", "real"])
def where(request: pytest.FixtureRequest) -> ControlPlane | None:
    """The control plane, None for the in-memory cluster, which needs no installation to be tested."""
    plane: ControlPlane | None = request.getfixturevalue("plane") if request.param == "real" else None
    return plane


@pytest.fixture
async def it(where: ControlPlane | None) -> AsyncIterator[Contract]:
    async with in_memory() if where is None else real(where) as contract:
        yield contract


def version(manifest: Any) -> str:
    return str(manifest["metadata"]["resourceVersion"])


async def test_what_was_created_is_in_the_cache_when_the_call_returns(it: Contract) -> None:
    assert it.cluster.get(it.ref()) is None
    made = await it.cluster.create(it.map(a="1"))
    cached = it.cluster.get(it.ref())
    assert cached is not None
    assert (cached["data"], version(cached)) == ({"a": "1"}, version(made))
    assert (await it.cluster.read(it.ref()) or {})["data"] == {"a": "1"}


async def test_a_patch_without_a_version_meets_the_object_of_its_uid_however_it_changed(it: Contract) -> None:
    made = await it.cluster.create(it.map(a="1"))
    await it.somebody.patch(it.ref(), {"data": {"a": "2"}})
    patch = {"metadata": {"uid": made["metadata"]["uid"], "labels": {"all": None}}}
    patched = await it.cluster.patch(it.ref(), patch, resource_version="")
    assert (patched["metadata"]["labels"], patched["data"]) == ({"name": "one"}, {"a": "2"})
    again = await it.cluster.patch(it.ref(), patch, resource_version="")
    assert version(again) == version(patched)
    other = {"metadata": {"uid": "0b3a7d52-0d5c-4f6f-9a3c-3f7d6c1a9f10", "labels": {"name": None}}}
    with pytest.raises((Conflict, Rejected)):
        await it.cluster.patch(it.ref(), other, resource_version="")
    with pytest.raises(NotFound):
        await it.cluster.patch(it.ref("two"), other, resource_version="")


async def test_objects_are_listed_by_namespace_and_all_of_the_labels(it: Contract) -> None:
    for name in ("one", "two"):
        await it.cluster.create(it.map(name))

    def names(namespace: str, **labels: str) -> list[str]:
        found = [each["metadata"]["name"] for each in it.cluster.list(it.ref().kind, namespace, labels)]
        return sorted(name for name in found if name != ROOT_CA)

    assert names(it.namespace) == ["one", "two"]
    assert names(it.namespace, all="yes", name="two") == ["two"]
    assert names(it.namespace, all="no", name="two") == []
    assert names("another", all="yes") == []
    assert names("", all="yes") == ["one", "two"]


async def test_the_version_of_an_api_is_filled_in(it: Contract) -> None:
    nameless = {key: value for key, value in it.map().items() if key != "apiVersion"}
    assert (await it.cluster.create(nameless))["apiVersion"] == "v1"
    route = {**virtual_service(namespace=it.namespace), "apiVersion": "networking.istio.io/v0"}
    assert (await it.cluster.create(route))["apiVersion"] == "networking.istio.io/v1"


async def test_versions_that_are_served_are_told_newest_first(it: Contract) -> None:
    assert it.cluster.served(VIRTUAL_SERVICE) == ("v1", "v1beta1", "v1alpha3")
    assert it.cluster.served(Kind("example.org", "Nothing")) == ()


async def test_a_name_that_is_taken_is_told_apart_from_a_conflict(it: Contract) -> None:
    await it.cluster.create(it.map(a="1"))
    with pytest.raises(AlreadyExists):
        await it.cluster.create(it.map(a="2"))


async def test_a_patch_merges_maps_and_removes_what_is_none(it: Contract) -> None:
    made = await it.cluster.create(it.map(a="1", b="2"))
    patched = await it.cluster.patch(it.ref(), {"data": {"a": None, "c": "3"}}, resource_version=version(made))
    assert patched["data"] == {"b": "2", "c": "3"}
    assert (it.cluster.get(it.ref()) or {})["data"] == {"b": "2", "c": "3"}


async def test_a_patch_replaces_lists_whole(it: Contract) -> None:
    made = await it.cluster.create(virtual_service(namespace=it.namespace, hosts=["a", "b"]))
    route = it.ref("checkout", VIRTUAL_SERVICE)
    patched = await it.cluster.patch(route, {"spec": {"hosts": ["c"]}}, resource_version=version(made))
    assert patched["spec"]["hosts"] == ["c"]


async def test_a_patch_leaves_none_out_of_lists_too(it: Contract) -> None:
    made = await it.cluster.create(virtual_service(namespace=it.namespace))
    [rule] = made["spec"]["http"]
    patch = {"spec": {"http": [{**rule, "timeout": None}]}}
    patched = await it.cluster.patch(it.ref("checkout", VIRTUAL_SERVICE), patch, resource_version=version(made))
    assert patched["spec"]["http"] == [{key: value for key, value in rule.items() if key != "timeout"}]


async def test_a_patch_of_what_changed_meanwhile_is_a_conflict_and_does_nothing(it: Contract) -> None:
    made = await it.cluster.create(it.map(a="1"))
    await it.somebody.patch(it.ref(), {"data": {"a": "2"}})
    with pytest.raises(Conflict) as raised:
        await it.cluster.patch(it.ref(), {"data": {"a": "3"}}, resource_version=version(made))
    assert not isinstance(raised.value, AlreadyExists)
    assert (await it.cluster.read(it.ref()) or {})["data"] == {"a": "2"}


async def test_what_is_not_there_is_not_found_by_a_patch_and_none_by_a_read(it: Contract) -> None:
    with pytest.raises(NotFound):
        await it.cluster.patch(it.ref(), {"data": {"a": "3"}}, resource_version="1")
    assert await it.cluster.read(it.ref()) is None


async def test_what_is_refreshed_is_in_the_cache_as_it_is_when_the_call_returns(it: Contract) -> None:
    for name in ("one", "two", "three"):
        await it.cluster.create(it.map(name, a="1"))
    all_of_them = Selection(kind=it.ref().kind, namespace=it.namespace, labels={"all": "yes"})
    await it.somebody.patch(it.ref("one"), {"data": {"a": "2"}})
    await it.somebody.delete(it.ref("two"))
    await it.somebody.apply(it.map("four", a="4"))
    await it.cluster.refresh(all_of_them)
    found = it.cluster.list(it.ref().kind, it.namespace, {"all": "yes"})
    assert {one["metadata"]["name"]: one["data"]["a"] for one in found} == {"one": "2", "three": "1", "four": "4"}

    await it.somebody.delete(it.ref("three"))
    await it.cluster.refresh(Selection(kind=it.ref().kind, namespace=it.namespace, name="three"))
    assert it.cluster.get(it.ref("three")) is None
    assert it.cluster.get(it.ref("one")) is not None


async def test_status_is_written_through_its_subresource_alone(it: Contract) -> None:
    made = await it.cluster.create(canary(namespace=it.namespace))
    with pytest.raises(Rejected, match="status"):
        await it.cluster.patch(it.ref("checkout", CANARY), {"status": {"weight": 5}}, resource_version=version(made))
    live = await it.cluster.read(it.ref("checkout", CANARY))
    written = await it.cluster.patch(
        it.ref("checkout", CANARY), {"status": {"weight": 5}}, resource_version=version(live), subresource="status"
    )
    assert (written["status"]["weight"], written["metadata"]["generation"]) == (5, 1)
    changed = await it.cluster.patch(
        it.ref("checkout", CANARY), {"spec": {"suspend": True}}, resource_version=version(written)
    )
    assert (changed["status"]["weight"], changed["metadata"]["generation"]) == (5, 2)


async def test_a_field_that_the_server_prunes_is_named(it: Contract) -> None:
    made = await it.cluster.create(canary(namespace=it.namespace))
    with pytest.raises(Rejected, match=r"spec\.analysis\.nonsense"):
        await it.cluster.patch(
            it.ref("checkout", CANARY), {"spec": {"analysis": {"nonsense": 1}}}, resource_version=version(made)
        )
    with pytest.raises(Rejected, match=r"spec\.nonsense"):
        await it.cluster.create(canary("other", namespace=it.namespace, nonsense={"a": 1}))


async def test_a_delete_needs_the_uid_and_the_version(it: Contract) -> None:
    made = await it.cluster.create(it.map(a="1"))
    uid = made["metadata"]["uid"]
    with pytest.raises(Conflict):
        await it.cluster.delete(it.ref(), uid="another", resource_version=version(made))
    await it.somebody.patch(it.ref(), {"data": {"a": "2"}})
    with pytest.raises(Conflict):
        await it.cluster.delete(it.ref(), uid=uid, resource_version=version(made))
    live = await it.cluster.read(it.ref())
    await it.cluster.delete(it.ref(), uid=uid, resource_version=version(live))
    assert await it.cluster.read(it.ref()) is None
    await it.until(lambda: it.cluster.get(it.ref()) is None)
    await it.cluster.delete(it.ref(), uid=uid, resource_version=version(live))


async def test_a_finalizer_keeps_what_is_deleted_and_marks_it_in_the_cache(it: Contract) -> None:
    kept = it.map(a="1")
    kept["metadata"]["finalizers"] = ["example.org/wait"]
    made = await it.cluster.create(kept)
    await it.cluster.delete(it.ref(), uid=made["metadata"]["uid"], resource_version=version(made))
    marked = it.cluster.get(it.ref())
    assert marked is not None
    assert "deletionTimestamp" in marked["metadata"]
    await it.cluster.patch(it.ref(), {"metadata": {"finalizers": None}}, resource_version=version(marked))
    await it.until(lambda: it.cluster.get(it.ref()) is None)


async def test_a_listener_hears_what_is_there_and_each_change_by_anybody_in_order(it: Contract) -> None:
    await it.cluster.create(it.map(a="1"))
    it.cluster.subscribe(it.listen)
    await it.until(lambda: it.heard)
    await it.somebody.patch(it.ref(), {"data": {"a": "2"}})
    await it.somebody.apply(it.map("two", b="1"))
    await it.somebody.delete(it.ref())
    await it.somebody.apply(it.map(a="3"))
    await it.until(lambda: len(it.heard) == 5)
    assert it.heard == [
        (Change.ADDED, "one", {"a": "1"}),
        (Change.MODIFIED, "one", {"a": "2"}),
        (Change.ADDED, "two", {"b": "1"}),
        (Change.DELETED, "one", {"a": "2"}),
        (Change.ADDED, "one", {"a": "3"}),
    ]


async def test_a_write_of_ones_own_is_heard_once(it: Contract) -> None:
    it.cluster.subscribe(it.listen)
    made = await it.cluster.create(it.map(a="1"))
    await it.cluster.patch(it.ref(), {"data": {"a": "2"}}, resource_version=version(made))
    await it.somebody.apply(it.map("two"))
    await it.until(lambda: any(name == "two" for _, name, _ in it.heard))
    assert it.heard == [
        (Change.ADDED, "one", {"a": "1"}),
        (Change.MODIFIED, "one", {"a": "2"}),
        (Change.ADDED, "two", {}),
    ]
