"""What needs a control plane to itself: its restart, and counting by its own metrics."""

from __future__ import annotations

import asyncio

import pytest

from canary.clients.discovery import Discovery
from canary.clients.kube_cache import Cache, Reflector
from canary.clients.kube_http import connect
from canary.ports import CANARY, DEPLOYMENT
from canary.rollout.phases import Phase
from canary.spec.status import status_from_json
from tests.api.counts import asked, asked_once_quiet
from tests.api.harness import QUICK, Harness
from tests.api.people import closed
from tests.builders import deployment, service

pytestmark = pytest.mark.xdist_group("api-own")

STEPS = "20@8s,50"
IDLE_S = 20.0
"""A whole minute, of all namespaces too, is counted in installed/test_budgets.py, by the audit log."""


async def test_a_rollout_goes_on_after_the_api_server_restarts(at_work: Harness) -> None:
    """Where the restart takes longer than a leader may go unrenewed, the standby goes on."""
    leader = await at_work.onboarded(steps=STEPS)
    await at_work.push("2.0", steps=STEPS)
    await at_work.until_weight(20)
    standby = at_work.start()
    await at_work.until(lambda: standby.readiness() == "standby\n")
    assert leader.readiness() == "leader\n"
    at_work.plane.stop_apiserver()
    at_work.plane.start_apiserver()
    await asyncio.to_thread(at_work.plane.until_ready)
    await at_work.until_phase(Phase.SUCCEEDED)
    assert at_work.phases == ["Initializing", "Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]
    assert at_work.weights == [0, 20, 50, 0]
    assert (at_work.serving(), at_work.size()) == (("2.0", 3), 0)
    assert standby.exit_code is None
    assert leader.exit_code is None or "was lost; ending, to be started anew" in leader.said
    await assert_too_old_is_listed_anew(at_work)


async def assert_too_old_is_listed_anew(it: Harness) -> None:
    """An API server that was restarted knows no history: a watch from far back is answered 410."""
    http = await connect(it.plane.kubeconfig)
    try:
        discovery = Discovery(http)
        await discovery.refresh({DEPLOYMENT})
        reflector = Reflector(http, Cache(), discovery.resource(DEPLOYMENT), it.namespace)
        async with asyncio.timeout(30):
            assert await reflector._watch("1") == ""
    finally:
        await closed(http)


async def test_ten_idle_canaries_cost_no_request_by_the_servers_own_count(at_work: Harness) -> None:
    names = [f"shop-{number}" for number in range(10)]
    at_work.start()
    for name in names:
        await at_work.people.apply(service(name, namespace=at_work.namespace))
        made = deployment(name, replicas=1, annotations=QUICK, namespace=at_work.namespace)
        await at_work.people.apply(made)

    def at_rest() -> bool:
        live = [at_work.live(CANARY, name) for name in names]
        found = [status_from_json(each.get("status")) for each in live if each is not None]
        return [each.phase for each in found] == [Phase.INITIALIZED] * 10

    await at_work.until(at_rest)
    await at_work.until(lambda: all(at_work.size(name) == 0 for name in names))
    before = await asked_once_quiet(at_work.plane)
    assert before["PATCH", "canaries"] > 0
    await asyncio.sleep(IDLE_S)
    assert await asked(at_work.plane) - before == {}
