"""The split in a route that the user wrote: theirs at rest, word for word, and theirs again afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from canary.ports import CANARY
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import VIRTUAL_SERVICE
from tests.builders import canary, ref, virtual_service
from tests.controller.driver import NEW, applied, onboarded, push

pytestmark = pytest.mark.looptime

SPEC: dict[str, Any] = {"service": {"name": "checkout", "port": 8080, "protocol": "http"}, "route": {"name": "mine"}}


def route(cluster: InMemoryCluster) -> dict[str, Any]:
    live = cluster.now(ref(VIRTUAL_SERVICE, "mine"))
    annotations = {key for key in live["metadata"].get("annotations", {}) if "canary.delivery" in key}
    labels = {key for key in live["metadata"].get("labels", {}) if "canary.delivery" in key}
    return {"spec": live["spec"], "marks": annotations | labels}


def mine(**weight: int) -> dict[str, Any]:
    """The user's route; `weight=100` where the user wrote it, which cannot be read back from a split."""
    manifest = virtual_service("mine")
    manifest["spec"]["hosts"] = ["checkout"]
    manifest["spec"]["http"][0]["route"] = [{"destination": {"host": "checkout", "port": {"number": 8080}}, **weight}]
    return manifest


async def test_it_is_the_users_at_rest_and_split_while_a_rollout_runs(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster, mine(), canary(**SPEC))
    await driver.for_a_while(5)
    at_rest = {"spec": mine()["spec"], "marks": set()}
    assert route(cluster) == at_rest
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    assert route(cluster)["spec"]["http"][0]["route"] == [
        {"destination": {"host": "checkout", "port": {"number": 8080}}, "weight": 75},
        {"destination": {"host": "checkout-canary", "port": {"number": 8080}}, "weight": 25},
    ]
    assert route(cluster)["spec"]["http"][0]["timeout"] == "10s"
    await driver.until_phase(Phase.SUCCEEDED)
    await driver.for_a_while(5)
    assert route(cluster) == at_rest


async def test_what_a_split_hides_comes_back_with_its_end(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster, mine(weight=100), canary(**SPEC))
    push(cluster, NEW)
    await driver.until(lambda: driver.status.weight == 25)
    assert route(cluster)["marks"] == {"canary.delivery/route-was", "canary.delivery/epoch"}
    await driver.until_phase(Phase.SUCCEEDED)
    await driver.for_a_while(5)
    assert route(cluster) == {"spec": mine(weight=100)["spec"], "marks": set()}


async def test_leaving_in_the_middle_of_onboarding_leaves_no_mark(cluster: InMemoryCluster) -> None:
    driver = await applied(cluster, mine(), canary(**SPEC))
    await driver.until(lambda: route(cluster)["marks"])
    cluster.remove(ref(CANARY))
    await driver.until(lambda: cluster.store.get(ref(CANARY)) is None)
    assert route(cluster) == {"spec": mine()["spec"], "marks": set()}


async def test_leaving_gives_it_back(cluster: InMemoryCluster) -> None:
    driver = await onboarded(cluster, mine(), canary(**SPEC))
    cluster.remove(ref(CANARY))
    await driver.until(lambda: cluster.store.get(ref(CANARY)) is None)
    assert route(cluster) == {"spec": mine()["spec"], "marks": set()}


async def test_a_foreign_route_for_the_same_host_is_a_fault_and_nothing_is_made(cluster: InMemoryCluster) -> None:
    driver = await applied(cluster, mine())
    await driver.for_a_while(20)
    assert [fault.reason for fault in driver.observe().world.faults] == ["RouteConflict"]
    assert [one["metadata"]["name"] for one in cluster.store.list(VIRTUAL_SERVICE)] == ["mine"]
