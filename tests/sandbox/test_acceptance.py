"""What the stand-ins of the meshes' controllers say about routes in their status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from canary.sandbox.acceptance import Acceptance
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import GRPC_ROUTE, HTTP_ROUTE, VIRTUAL_SERVICE
from meshes.contract import Kind
from tests.builders import ref
from tests.embedded import eventually
from tests.meshes.gamma_objects import PARENT, grpc_route, http_route, to
from tests.sandbox.dataplane import service, split

pytestmark = pytest.mark.looptime
Said = dict[str, tuple[str, str]]


@asynccontextmanager
async def answering(mesh: str) -> AsyncIterator[InMemoryCluster]:
    cluster = InMemoryCluster()
    try:
        async with Acceptance(cluster.client("mesh"), mesh, cluster.clock):
            yield cluster
    finally:
        cluster.close()


def parents(cluster: InMemoryCluster, name: str = "edge", kind: Kind = HTTP_ROUTE) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.now(ref(kind, name)).get("status", {}).get("parents", [])
    return found


def said(cluster: InMemoryCluster, name: str = "edge", kind: Kind = HTTP_ROUTE) -> Said:
    return {
        condition["type"]: (condition["status"], condition["reason"])
        for parent in parents(cluster, name, kind)
        for condition in parent["conditions"]
    }


TAKEN: Said = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}


async def test_linkerd_says_core_and_never_a_generation() -> None:
    async with answering("linkerd") as cluster:
        cluster.apply(service("checkout"))
        cluster.apply(http_route({"backendRefs": [to("checkout")]}))
        await eventually(cluster, lambda: said(cluster) == TAKEN)
        [parent] = parents(cluster)
        assert parent["controllerName"] == "linkerd.io/policy-controller"
        assert parent["parentRef"] == {**PARENT, "group": "core"}
        assert all("observedGeneration" not in condition for condition in parent["conditions"])


async def test_istio_says_which_generation_it_has_seen() -> None:
    async with answering("gateway-api") as cluster:
        cluster.apply(service("checkout"))
        cluster.apply(http_route({"backendRefs": [to("checkout")]}))
        await eventually(cluster, lambda: said(cluster) == TAKEN)
        cluster.apply(http_route({"backendRefs": [to("checkout", 7)]}))
        await eventually(
            cluster, lambda: {one["observedGeneration"] for one in parents(cluster)[0]["conditions"]} == {2}
        )
        assert parents(cluster)[0]["controllerName"] == "istio.io/gateway-controller"
        assert parents(cluster)[0]["parentRef"] == PARENT


async def test_a_parent_of_the_group_core_is_none_to_istio() -> None:
    async with answering("gateway-api") as cluster:
        cluster.apply(service("checkout"))
        cluster.apply(http_route({"backendRefs": [to("checkout")]}, parents=({**PARENT, "group": "core"},)))
        cluster.apply(http_route({"backendRefs": [to("checkout")]}, name="other"))
        await eventually(cluster, lambda: said(cluster, "other") == TAKEN)
        assert parents(cluster) == []


@pytest.mark.parametrize("mesh", ["linkerd", "gateway-api"])
async def test_a_missing_service_is_told_until_it_comes(mesh: str) -> None:
    async with answering(mesh) as cluster:
        cluster.apply(http_route({"backendRefs": [to("checkout"), to("checkout-canary")]}))
        none = {"Accepted": ("False", "NoMatchingParent"), "ResolvedRefs": ("False", "BackendNotFound")}
        await eventually(cluster, lambda: said(cluster) == none)
        cluster.apply(service("checkout"))
        await eventually(cluster, lambda: said(cluster)["Accepted"] == ("True", "Accepted"))
        assert said(cluster)["ResolvedRefs"] == ("False", "BackendNotFound")
        cluster.apply(service("checkout-canary"))
        await eventually(cluster, lambda: said(cluster) == TAKEN)


async def test_linkerd_accepts_no_http_route_beside_a_grpc_route() -> None:
    async with answering("linkerd") as cluster:
        cluster.apply(service("checkout"))
        cluster.apply(http_route({"backendRefs": [to("checkout")]}))
        await eventually(cluster, lambda: said(cluster) == TAKEN)
        cluster.apply(grpc_route({"backendRefs": [to("checkout")]}, name="calls"))
        await eventually(cluster, lambda: said(cluster)["Accepted"] == ("False", "RouteReasonConflicted"))
        assert said(cluster, "calls", GRPC_ROUTE) == TAKEN


async def test_a_mesh_that_says_nothing_writes_nothing() -> None:
    async with answering("istio") as cluster:
        cluster.apply(split(10))
        version = cluster.now(ref(VIRTUAL_SERVICE))["metadata"]["resourceVersion"]
        cluster.apply(service("checkout"))
        assert cluster.now(ref(VIRTUAL_SERVICE))["metadata"]["resourceVersion"] == version
