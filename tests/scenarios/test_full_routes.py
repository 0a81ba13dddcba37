"""A route of ours that somebody filled: no room for the rule that splits. Named, and no reason to hang."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from canary.errors import Rejected
from canary.rollout.phases import Phase
from canary.sandbox.acceptance import Acceptance
from canary.sandbox.kinds import HTTP_ROUTE
from canary.settings import Settings
from meshes.contract import Manifest
from tests.builders import ref, service
from tests.meshes.gamma_objects import to
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime


@pytest.fixture(params=["linkerd", "gateway-api"])
async def meshed(stage: Stage, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """A stage with routes of the Gateway API, of which the API server takes no more than sixteen rules."""
    stage.settings = Settings(mesh=request.param, scrape_interval=timedelta(seconds=5))
    stage.cluster.store.admission.append(refuses_too_many)
    async with Acceptance(stage.cluster.client("mesh"), request.param, stage.cluster.clock):
        yield stage


def refuses_too_many(new: Manifest, old: Manifest | None) -> None:
    if new["kind"] == "HTTPRoute" and len(new["spec"]["rules"]) > 16:
        raise Rejected("spec.rules: Too many: 17: must have at most 16 items")


def rules(stage: Stage) -> list[Any]:
    found: list[Any] = stage.cluster.now(ref(HTTP_ROUTE))["spec"]["rules"]
    return found


def crowd(stage: Stage) -> None:
    """Fill the route with narrow rules, in the place of the one that splits."""
    rule = {"backendRefs": [to("admin")]}
    many = [{**rule, "matches": [{"path": {"type": "Exact", "value": f"/{number}"}}]} for number in range(16)]
    stage.cluster.edit(ref(HTTP_ROUTE), {"spec": {"rules": many}}, "mallory")


def make_room(stage: Stage) -> None:
    stage.cluster.edit(ref(HTTP_ROUTE), {"spec": {"rules": rules(stage)[1:]}}, "mallory")


async def test_at_rest_it_is_named_and_not_written_and_no_rollout_starts_until_there_is_room(meshed: Stage) -> None:
    await meshed.onboarded(service("admin"), analysis=analysis(checks=[]))
    crowd(meshed)
    meshed.push("2.0")
    await meshed.rest(5)
    meshed.client.requests.clear()
    await meshed.rest(600)
    assert (meshed.status.phase, meshed.status.weight, meshed.candidate) == (Phase.INITIALIZED, 0, (0, False))
    assert meshed.client.requests.writes == 0
    ready = meshed.ready_condition
    assert (ready.status, ready.reason) == ("False", "RouteUnusable")
    assert "HTTPRoute.gateway.networking.k8s.io shop/checkout has 16 rules of others" in ready.message
    assert "at most 16 rules and 128 matches. Take one out" in ready.message
    make_room(meshed)
    await meshed.until_serving("2.0")
    assert len(rules(meshed)) == 16


async def test_in_mid_rollout_it_is_named_and_an_abort_ends_the_rollout_all_the_same(meshed: Stage) -> None:
    await meshed.onboarded(service("admin"), analysis=analysis(checks=[]))
    meshed.push("2.0")
    await meshed.until(lambda: meshed.status.weight == 20 and len(rules(meshed)[0]["backendRefs"]) == 2)
    crowd(meshed)
    await meshed.rest(300)
    assert (meshed.status.phase, meshed.ready_condition.reason) == (Phase.PROGRESSING, "RouteUnusable")
    assert "has 16 rules of others" in meshed.status.message
    meshed.command("abort")
    await meshed.until_phase(Phase.FAILED, within=60)
    assert meshed.candidate == (0, False)
    make_room(meshed)
    await meshed.until(lambda: len(rules(meshed)) == 16, within=15)
