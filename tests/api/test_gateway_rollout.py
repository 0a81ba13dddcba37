"""A whole rollout on a real control plane with a route of the Gateway API, which a mesh's stand-in answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from canary.clients.kube import kube_cluster
from canary.clients.kube_http import connect
from canary.ports import CANARY, SERVICE
from canary.rollout.phases import Phase
from canary.sandbox.acceptance import Acceptance
from canary.sandbox.kinds import GRPC_ROUTE, HTTP_ROUTE
from meshes.contract import Manifest
from tests.api.control_plane import ControlPlane
from tests.api.harness import Harness, harness
from tests.api.people import closed
from tests.builders import service
from tests.meshes.gamma_objects import PARENT, http_route, to

pytestmark = pytest.mark.xdist_group("api")

USERS = http_route(
    {"matches": [{"path": {"type": "Exact", "value": "/admin"}}], "backendRefs": [to("admin")]},
    {"backendRefs": [to("checkout")], "timeouts": {"request": "2s"}},
    parents=(PARENT, {"name": "public"}),
    hostnames=["checkout.example.com"],
)


def backends(route: Manifest | None, rule: int) -> dict[str, int]:
    return {item["name"]: item["weight"] for item in route["spec"]["rules"][rule]["backendRefs"]} if route else {}


def as_people_wrote_it(route: Manifest | None) -> tuple[Any, Any]:
    return (route["spec"], route["metadata"].get("labels")) if route else (None, None)


async def played(plane: ControlPlane, folder: Path, *, own: bool) -> None:
    async with harness(plane, folder) as at_work:
        await promoted_and_rolled_back(at_work, own=own)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rollouts(
    plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[bool, asyncio.Task[None]]]:
    """A life with the controller's own route and one with a user's, side by side: most of each is waiting."""
    tasks = {
        own: asyncio.create_task(played(plane, tmp_path_factory.mktemp("rollout"), own=own)) for own in (True, False)
    }
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("own", [True, False], ids=["own", "users"])
async def test_versions_are_promoted_and_rolled_back_by_an_http_route(
    rollouts: Mapping[bool, asyncio.Task[None]], own: bool
) -> None:
    await rollouts[own]


async def promoted_and_rolled_back(at_work: Harness, *, own: bool) -> None:
    name, rule = ("checkout", 0) if own else ("edge", 1)
    noted: dict[str, Any] = {"mesh": "gateway-api", **({} if own else {"route": name})}
    http = await connect(at_work.plane.kubeconfig)
    kinds = (CANARY, SERVICE, HTTP_ROUTE, GRPC_ROUTE)
    try:
        await at_work.people.know(HTTP_ROUTE)
        async with (
            kube_cluster(http, kinds, [at_work.namespace], keep=lambda _, whole: whole) as view,
            Acceptance(view, "gateway-api", http.clock),
        ):
            here = at_work.ref(HTTP_ROUTE, name)
            if not own:
                await at_work.people.apply(service("admin", namespace=at_work.namespace))
                await at_work.people.apply({**USERS, "metadata": {"name": name, "namespace": at_work.namespace}})
                await at_work.until(lambda: view.get(here))
            before = view.get(here)
            await at_work.onboarded(**noted)
            at_rest = backends(view.get(here), rule)
            await at_work.push("2.0", **noted)
            await at_work.until(lambda: backends(view.get(here), rule) == {"checkout": 50, "checkout-canary": 50})
            await at_work.until_phase(Phase.SUCCEEDED)
            await at_work.until(lambda: backends(view.get(here), rule) == at_rest)
            at_work.metrics.set("checkout", bad=1.0)
            await at_work.push("3.0", **noted)
            await at_work.until_phase(Phase.FAILED)
            assert at_work.serving() == ("2.0", 3)
            if not own:
                await at_work.until(lambda: as_people_wrote_it(view.get(here)) == as_people_wrote_it(before))
    finally:
        await closed(http)
