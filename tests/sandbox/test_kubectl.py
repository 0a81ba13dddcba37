"""The user's side of the in-memory cluster: apply, edit, replace, and who is found to have set what."""

from __future__ import annotations

import asyncio

import pytest

from canary.errors import Conflict
from canary.ports import CANARY, DEPLOYMENT, SERVICE
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.managed import manager_of
from tests.builders import canary, deployment, ref, service, settings

pytestmark = pytest.mark.looptime

CHECKOUT = ref(DEPLOYMENT)


async def test_apply_keeps_what_others_set_and_removes_what_it_set_itself(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(annotations=settings(enabled="true", steps="5,50")))
    cluster.edit(CHECKOUT, {"metadata": {"annotations": {"other": "kept"}}, "spec": {"paused": True}})

    cluster.apply(deployment(annotations=settings(enabled="true"), image="registry.example/checkout:2.0"))

    live = cluster.now(CHECKOUT)
    annotations = live["metadata"]["annotations"]
    del annotations["kubectl.kubernetes.io/last-applied-configuration"]
    assert annotations == {"canary.delivery/enabled": "true", "other": "kept"}
    assert live["spec"]["paused"] is True
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/checkout:2.0"


async def test_taking_replicas_out_of_git_resets_them_to_one(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=4))

    cluster.apply(deployment(replicas=None))

    assert cluster.now(CHECKOUT)["spec"]["replicas"] == 1


async def test_apply_leaves_replicas_alone_that_were_never_in_git(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(replicas=None))
    cluster.edit(CHECKOUT, {"spec": {"replicas": 7}})

    cluster.apply(deployment(replicas=None, image="registry.example/checkout:2.0"))

    assert cluster.now(CHECKOUT)["spec"]["replicas"] == 7


async def test_applying_the_same_again_changes_nothing(cluster: InMemoryCluster) -> None:
    first = cluster.apply(service())

    assert cluster.apply(service()) == first


async def test_apply_resets_a_selector_that_was_narrowed(cluster: InMemoryCluster) -> None:
    cluster.apply(service())
    cluster.edit(ref(SERVICE), {"spec": {"selector": {"canary.delivery/role": "primary"}}})
    assert cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout", "canary.delivery/role": "primary"}

    cluster.replace(service())

    assert cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}


async def test_replace_drops_the_hold_and_keeps_status(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment(paused=True))
    await asyncio.sleep(1)
    before = cluster.now(CHECKOUT)

    after = cluster.replace(deployment())

    assert "paused" not in after["spec"]
    assert after["status"] == before["status"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


async def test_replace_with_an_old_version_is_a_conflict(cluster: InMemoryCluster) -> None:
    old = cluster.apply(service())
    cluster.edit(ref(SERVICE), {"metadata": {"labels": {"a": "b"}}})

    with pytest.raises(Conflict):
        cluster.replace(old)


async def test_the_manager_of_an_annotation_is_found(cluster: InMemoryCluster) -> None:
    cluster.apply(canary())
    path = ("metadata", "annotations", "canary.delivery/command")
    assert manager_of(cluster.now(ref(CANARY)), *path) == ""

    cluster.edit(ref(CANARY), {"metadata": {"annotations": {path[-1]: "pause"}}}, manager="alice")
    assert manager_of(cluster.now(ref(CANARY)), *path) == "alice"

    await asyncio.sleep(60)
    live = cluster.edit(ref(CANARY), {"metadata": {"annotations": {path[-1]: "abort"}}}, manager="bob")
    assert manager_of(live, *path) == "bob"
    [entry] = [each for each in live["metadata"]["managedFields"] if each["manager"] == "bob"]
    assert entry == {
        "manager": "bob",
        "operation": "Update",
        "apiVersion": "canary.delivery/v1alpha1",
        "time": "2026-01-01T00:01:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:annotations": {"f:canary.delivery/command": {}}}},
    }
    assert "alice" not in [each["manager"] for each in live["metadata"]["managedFields"]]


async def test_the_manager_of_a_removed_annotation_is_forgotten(cluster: InMemoryCluster) -> None:
    cluster.apply(canary())
    cluster.edit(ref(CANARY), {"metadata": {"annotations": {"a": "b"}}}, manager="alice")

    live = cluster.edit(ref(CANARY), {"metadata": {"annotations": {"a": None}}}, manager="bob")

    assert sorted(each["manager"] for each in live["metadata"]["managedFields"]) == ["kubectl"]


async def test_the_controller_s_writes_carry_its_name_and_the_door(cluster: InMemoryCluster) -> None:
    live = await cluster.create(canary())
    patched = await cluster.patch(
        ref(CANARY),
        {"status": {"phase": "Initializing"}},
        resource_version=live["metadata"]["resourceVersion"],
        subresource="status",
    )

    doors = [(each["manager"], each.get("subresource", "")) for each in patched["metadata"]["managedFields"]]
    assert doors == [("canary-controller", ""), ("canary-controller", "status")]
