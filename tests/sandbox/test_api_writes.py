"""What the in-memory API server makes of creates and patches: versions, generations, doors, defaults and refusals."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from canary.errors import AlreadyExists, Conflict, NotFound, Rejected
from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, NAMESPACE, SERVICE
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import HTTP_ROUTE, VIRTUAL_SERVICE, custom
from meshes.contract import Kind, ObjectRef
from tests.builders import autoscaler, canary, deployment, http_route, ref, service, virtual_service

pytestmark = pytest.mark.looptime

CHECKOUT = ref(DEPLOYMENT)


def version(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["resourceVersion"])


async def test_a_created_object_gets_what_only_the_server_gives(cluster: InMemoryCluster) -> None:
    await asyncio.sleep(5)

    meta = (await cluster.create(canary()))["metadata"]

    assert {key: meta[key] for key in ("name", "namespace", "generation", "creationTimestamp")} == {
        "name": "checkout",
        "namespace": "shop",
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:05Z",
    }
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", meta["uid"])


async def test_a_version_rises_with_each_write_of_any_object(cluster: InMemoryCluster) -> None:
    first = await cluster.create(canary("a"))
    second = await cluster.create(canary("b"))
    third = await cluster.patch(ref(CANARY, "a"), {"spec": {"suspend": True}}, resource_version=version(first))

    assert int(version(first)) < int(version(second)) < int(version(third))


async def test_a_patch_from_an_old_version_is_a_conflict_and_changes_nothing(cluster: InMemoryCluster) -> None:
    old = await cluster.create(canary())
    new = await cluster.patch(ref(CANARY), {"spec": {"mesh": "istio"}}, resource_version=version(old))

    with pytest.raises(Conflict):
        await cluster.patch(ref(CANARY), {"spec": {"mesh": "kuma"}}, resource_version=version(old))

    assert await cluster.read(ref(CANARY)) == new


async def test_a_write_of_the_port_without_a_version_is_a_conflict(cluster: InMemoryCluster) -> None:
    uid = (await cluster.create(service()))["metadata"]["uid"]

    with pytest.raises(Conflict):
        await cluster.patch(ref(SERVICE), {"metadata": {"labels": {"a": "b"}}}, resource_version="")
    with pytest.raises(Conflict):
        await cluster.delete(ref(SERVICE), uid=uid, resource_version="")


async def test_a_patch_that_changes_nothing_makes_no_new_version(cluster: InMemoryCluster) -> None:
    old = await cluster.create(service())

    new = await cluster.patch(ref(SERVICE), {"spec": {"selector": {"app": "checkout"}}}, resource_version=version(old))

    assert new == old


async def test_a_write_that_changes_nothing_is_held_to_what_is_served_and_admitted_now(
    cluster: InMemoryCluster,
) -> None:
    same = {"spec": {"suspend": False}}
    first = cluster.apply(canary() | same)
    assert cluster.edit(ref(CANARY), same) is first

    cluster.register(CANARY, custom("v1alpha1", status=True, schema={"properties": {"spec": {"properties": {}}}}))
    assert cluster.edit(ref(CANARY), same)["spec"] == {}

    def refuse(new: Mapping[str, Any], _: Mapping[str, Any] | None) -> None:
        raise Rejected(f"admission webhook denied {new['metadata']['name']}")

    cluster.store.admission.append(refuse)
    with pytest.raises(Rejected, match="denied checkout"):
        cluster.edit(ref(CANARY), {"metadata": {}})


async def test_a_first_status_is_there_even_when_it_is_empty(cluster: InMemoryCluster) -> None:
    cluster.apply(canary())
    assert "status" not in cluster.now(ref(CANARY))
    assert cluster.edit(ref(CANARY), {}, subresource="status")["status"] == {}


async def test_status_and_the_rest_are_written_through_their_own_doors(cluster: InMemoryCluster) -> None:
    new = await cluster.create(canary())
    both = {"spec": {"mesh": "istio"}, "status": {"phase": "Initializing"}}

    with pytest.raises(Rejected, match="the field status"):
        await cluster.patch(ref(CANARY), both, resource_version=version(new))
    after_main = cluster.now(ref(CANARY))
    with pytest.raises(Rejected, match=r"spec\.mesh"):
        await cluster.patch(
            ref(CANARY),
            {**both, "spec": {"mesh": "kuma"}},
            resource_version=version(after_main),
            subresource="status",
        )
    after_status = cluster.now(ref(CANARY))

    assert (after_main["spec"]["mesh"], after_main.get("status")) == ("istio", None)
    assert (after_status["spec"]["mesh"], after_status["status"]) == ("istio", {"phase": "Initializing"})
    assert [each["metadata"]["generation"] for each in (new, after_main, after_status)] == [1, 2, 2]


@pytest.mark.parametrize(
    ("kind", "patch", "raises"),
    [
        (DEPLOYMENT, {"spec": {"replicas": 5}}, True),
        (DEPLOYMENT, {"metadata": {"annotations": {"a": "b"}}}, True),
        (DEPLOYMENT, {"metadata": {"labels": {"canary.delivery/epoch": "7"}}}, False),
        (CANARY, {"metadata": {"annotations": {"a": "b"}}}, False),
        (CANARY, {"spec": {"suspend": True}}, True),
    ],
)
async def test_generation_counts_what_is_wanted(
    cluster: InMemoryCluster, kind: Kind, patch: dict[str, Any], raises: bool
) -> None:
    cluster.apply(deployment())
    cluster.apply(canary())
    before = cluster.now(ref(kind))

    after = cluster.edit(ref(kind), patch)

    assert after["metadata"]["generation"] - before["metadata"]["generation"] == int(raises)


async def test_a_name_that_is_taken_and_a_place_that_is_not_there_are_told_apart(cluster: InMemoryCluster) -> None:
    await cluster.create(service())

    with pytest.raises(AlreadyExists):
        await cluster.create(service())
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        await cluster.create(service(namespace="nowhere"))
    with pytest.raises(NotFound):
        await cluster.patch(ref(SERVICE, "other"), {"spec": {}}, resource_version="1")
    assert await cluster.read(ref(SERVICE, "other")) is None


async def test_what_is_served_is_a_table_that_tests_change(cluster: InMemoryCluster) -> None:
    cluster.apply(virtual_service())
    assert cluster.served(VIRTUAL_SERVICE) == ("v1", "v1beta1", "v1alpha3")

    cluster.unregister(VIRTUAL_SERVICE)
    assert cluster.served(VIRTUAL_SERVICE) == ()
    with pytest.raises(NotFound, match="could not find the requested resource"):
        await cluster.create(virtual_service())

    cluster.register(VIRTUAL_SERVICE, custom("v1beta1"))
    with pytest.raises(NotFound):
        cluster.apply(virtual_service())
    old = await cluster.create(virtual_service())
    assert old["apiVersion"] == "networking.istio.io/v1beta1"


async def test_what_a_schema_prunes_is_told_by_its_field(cluster: InMemoryCluster) -> None:
    schema = {"properties": {"spec": {"properties": {"suspend": {"type": "boolean"}}}}}
    cluster.register(CANARY, custom("v1alpha1", status=True, schema=schema))

    with pytest.raises(Rejected, match=r"did not take the field spec\.targetRef"):
        await cluster.create(canary())

    assert cluster.now(ref(CANARY))["spec"] == {}


async def test_an_object_without_a_version_gets_the_newest_that_is_served(cluster: InMemoryCluster) -> None:
    manifest = {key: value for key, value in virtual_service().items() if key != "apiVersion"}

    assert (await cluster.create(manifest))["apiVersion"] == "networking.istio.io/v1"


async def test_defaults_are_filled_in_where_they_show(cluster: InMemoryCluster) -> None:
    made = cluster.apply(deployment(replicas=None))["spec"]
    apex = cluster.apply(service(ports=[{"port": 80}]))["spec"]
    rule = cluster.apply(http_route(rules=[{"backendRefs": [{"name": "checkout", "port": 8080}]}]))["spec"]["rules"][0]

    assert {key: value for key, value in made.items() if key not in ("selector", "template")} == {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }
    assert made["template"]["spec"]["terminationGracePeriodSeconds"] == 30
    assert apex["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert apex["clusterIP"].startswith("172.20.")
    assert rule == {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"group": "", "kind": "Service", "weight": 1, "name": "checkout", "port": 8080}],
    }


async def test_an_unset_hold_reads_as_absent(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment())
    before = cluster.now(CHECKOUT)

    after = await cluster.patch(CHECKOUT, {"spec": {"paused": False}}, resource_version=version(before))

    assert "paused" not in after["spec"]
    assert version(after) == version(before)


def _other_labels() -> dict[str, Any]:
    return deployment(selector={"matchLabels": {"app": "other"}})


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: service("a" * 64), "no more than 63 characters"),
        (lambda: service("1st"), r"metadata\.name"),
        (lambda: deployment("a" * 254), "no more than 253 characters"),
        (_other_labels, "`selector` does not match template `labels`"),
        (lambda: deployment(replicas=-1), "greater than or equal to 0"),
        (lambda: deployment(strategy={"type": "Recreate", "rollingUpdate": {}}), "may not be specified"),
        (lambda: service(ports=[{"port": 1}, {"port": 2}]), "more than one port"),
        (lambda: autoscaler(least=0), "minReplicas"),
        (lambda: autoscaler(least=3, most=2), "maxReplicas"),
        (lambda: deployment(annotations={"not a key": "x"}), "must be a qualified name"),
        (lambda: {**service(), "metadata": {"name": "x", "labels": {"a": "b" * 64}}}, "is no label value"),
    ],
)
async def test_what_a_real_server_refuses_is_refused_by_name(
    cluster: InMemoryCluster, make: Callable[[], dict[str, Any]], problem: str
) -> None:
    with pytest.raises(Rejected, match=problem):
        await cluster.create(make())


async def test_a_selector_and_immutable_data_stay_as_they_are(cluster: InMemoryCluster) -> None:
    cluster.apply(deployment())
    meta = {"name": "c", "namespace": "shop"}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "immutable": True, "data": {"a": "1"}})

    with pytest.raises(Rejected, match=r"spec\.selector: field is immutable"):
        cluster.edit(CHECKOUT, {"spec": {"selector": {"matchLabels": {"team": "payments"}}}})
    with pytest.raises(Rejected, match="immutable"):
        cluster.edit(ref(CONFIG_MAP, "c"), {"data": {"a": "2"}})


async def test_a_cluster_scoped_object_has_no_namespace(cluster: InMemoryCluster) -> None:
    assert "namespace" not in cluster.namespace("team-a")["metadata"]
    assert await cluster.read(ObjectRef(NAMESPACE, "", "team-a")) is not None
    assert cluster.served(HTTP_ROUTE) == ("v1", "v1beta1")
