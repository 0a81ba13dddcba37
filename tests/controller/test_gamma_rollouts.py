"""Rollouts with routes of the Gateway API: the mesh must have taken them, and a user's own comes through whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from canary.rollout.phases import Phase
from canary.sandbox.acceptance import Acceptance
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import HTTP_ROUTE
from meshes.contract import Mesh
from meshes.gateway_api import GatewayApi
from meshes.linkerd import Linkerd
from tests.builders import canary, deployment, ref, service
from tests.controller.driver import NEW, Driver, push
from tests.embedded import eventually, ready_images
from tests.meshes.gamma_objects import PARENT, answered, http_route, to

pytestmark = pytest.mark.looptime
MESHES = pytest.mark.parametrize("mesh", [Linkerd(), GatewayApi()], ids=lambda mesh: mesh.name)

USERS = http_route(
    {
        "matches": [{"path": {"type": "Exact", "value": "/admin"}}],
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-debug"]}}],
        "backendRefs": [to("admin")],
    },
    {"backendRefs": [to("checkout")], "timeouts": {"request": "2s"}},
    parents=(PARENT, {"name": "public"}),
    hostnames=["checkout.example.com"],
)


@asynccontextmanager
async def ready(cluster: InMemoryCluster, mesh: Mesh, *more: Any) -> AsyncIterator[Driver]:
    """Apply Deployment, Service and `more`, with the mesh's stand-in answering routes."""
    async with Acceptance(cluster.client("mesh"), mesh.name, cluster.clock):
        for manifest in (deployment(), service(), service("admin"), *more):
            cluster.apply(manifest)
        await eventually(cluster, lambda: len(ready_images(cluster)) == 3)
        yield Driver(cluster, mesh=mesh)


def route(cluster: InMemoryCluster, name: str = "checkout") -> dict[str, Any]:
    return cluster.now(ref(HTTP_ROUTE, name))


def shares(cluster: InMemoryCluster, rule: int, name: str = "checkout") -> dict[str, int]:
    return {item["name"]: item["weight"] for item in route(cluster, name)["spec"]["rules"][rule]["backendRefs"]}


@MESHES
async def test_a_rollout_goes_through_a_route_of_our_own(cluster: InMemoryCluster, mesh: Mesh) -> None:
    async with ready(cluster, mesh, canary()) as driver:
        await driver.until_phase(Phase.INITIALIZED)
        assert shares(cluster, 0) == {"checkout": 100, "checkout-canary": 0}
        push(cluster, NEW)
        await driver.until(
            lambda: driver.status.weight > 0 and driver.status.weight == driver.observe().world.split.weight
        )
        weight = driver.status.weight
        assert shares(cluster, 0) == {"checkout": 100 - weight, "checkout-canary": weight}
        await driver.until_phase(Phase.SUCCEEDED)
        assert shares(cluster, 0) == {"checkout": 100, "checkout-canary": 0}


@MESHES
async def test_a_users_route_is_equal_before_and_after_and_during_a_rollout_but_for_the_split(
    cluster: InMemoryCluster, mesh: Mesh
) -> None:
    async with ready(cluster, mesh, USERS, canary(route={"name": "edge"})) as driver:
        before = route(cluster, "edge")
        await driver.until_phase(Phase.INITIALIZED)
        assert (route(cluster, "edge")["spec"], changed(before)) == (before["spec"], changed(route(cluster, "edge")))
        push(cluster, NEW)
        await driver.until(lambda: driver.status.weight > 0 and len(shares(cluster, 1, "edge")) == 2)
        during = route(cluster, "edge")["spec"]
        [admin, split] = during["rules"]
        assert (admin, {**during, "rules": None}) == (before["spec"]["rules"][0], {**before["spec"], "rules": None})
        assert {**split, "backendRefs": None} == {**before["spec"]["rules"][1], "backendRefs": None}
        await driver.until_phase(Phase.SUCCEEDED)
        assert (route(cluster, "edge")["spec"], changed(route(cluster, "edge"))) == (before["spec"], changed(before))


def changed(live: dict[str, Any]) -> dict[str, Any]:
    """What people see of the metadata."""
    return {key: live["metadata"].get(key) for key in ("labels", "annotations", "finalizers")}


@MESHES
async def test_a_route_that_no_mesh_answers_holds_and_says_why(cluster: InMemoryCluster, mesh: Mesh) -> None:
    for manifest in (deployment(), service(), canary()):
        cluster.apply(manifest)
    await eventually(cluster, lambda: len(ready_images(cluster)) == 3)
    driver = Driver(cluster, mesh=mesh)
    await driver.until(lambda: any("No mesh has answered HTTPRoute" in said for said in driver.said))
    assert driver.status.phase is Phase.INITIALIZING


async def test_a_mesh_without_known_metrics_is_a_fault_while_built_in_checks_are_asked_for(
    cluster: InMemoryCluster,
) -> None:
    own = [{"name": "queue", "query": "sum(queue_lag)", "max": 100}]
    async with ready(cluster, GatewayApi(), canary()) as driver:
        await driver.until_phase(Phase.INITIALIZED)
        assert driver.observe().world.faults == ()
        taken = answered(route(cluster), "example.com/mesh")["status"]["parents"][-1]
    cluster.edit(ref(HTTP_ROUTE), {"status": {"parents": [taken]}}, subresource="status")
    await eventually(cluster, lambda: "example.com" in str(cluster.get(ref(HTTP_ROUTE))))
    [fault] = driver.observe().world.faults
    assert (fault.reason, "example.com/mesh, whose metrics are not known" in fault.message) == ("MetricsUnknown", True)
    cluster.apply(canary(analysis={"checks": own}))
    await eventually(cluster, lambda: "queue_lag" in str(driver.observe()))
    assert driver.observe().world.faults == ()
