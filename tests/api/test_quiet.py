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
from tests.builders import deployment, service, settings

pytestmark = pytest.mark.xdist_group("api-scenes")

STEPS = "20@8s,50"
IDLE_S = 20.0
"""All namespaces too are counted in installed/test_budgets.py, by the audit log."""
NAMES = ("checkout", *(f"shop-{number}" for number in range(1, 10)))


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


async def test_ten_idle_canaries_cost_no_request_and_a_step_six_writes_by_the_servers_own_count(
    at_work: Harness,
) -> None:
    at_work.start()
    for name in NAMES:
        noted, size = {**QUICK, **settings(steps=STEPS)}, 3 if name == "checkout" else 1
        await at_work.people.apply(service(name, namespace=at_work.namespace))
        await at_work.people.apply(deployment(name, replicas=size, annotations=noted, namespace=at_work.namespace))

    def at_rest() -> bool:
        live = [at_work.live(CANARY, name) for name in NAMES]
        found = [status_from_json(each.get("status")) for each in live if each is not None]
        return [each.phase for each in found] == [Phase.INITIALIZED] * 10

    await at_work.until(at_rest)
    await at_work.until(lambda: all(at_work.size(name) == 0 for name in NAMES))
    before = await asked_once_quiet(at_work.plane)
    assert before["PATCH", "canaries"] > 0
    await asyncio.sleep(IDLE_S)
    assert await asked(at_work.plane) - before == {}
    await assert_a_step_costs_six_writes(at_work)


async def assert_a_step_costs_six_writes(it: Harness) -> None:
    """From one weight in force to the next, with a pod more; each evaluation may cost one.

    Events are left out: Kubernetes tells of that pod by some of its own.
    """
    evaluated: set[object] = set()
    it.view.subscribe(lambda _: evaluated.add(it.status.memory.evaluated_at))
    await it.push("2.0", steps=STEPS)
    await it.until(lambda: in_force(it, 20))
    evaluated.clear()
    before = await asked(it.plane)
    await it.until(lambda: in_force(it, 50))
    spent = await asked(it.plane) - before
    del spent["POST", "events"]
    writes = sum(count for (verb, _), count in spent.items() if verb not in ("GET", "LIST"))
    assert it.size() == 2
    assert writes == spent.total(), spent
    assert spent["PATCH", "virtualservices"] == spent["PATCH", "deployments"] == 1, spent
    assert writes <= 6 + len(evaluated - {None}), (spent, evaluated)


def in_force(it: Harness, weight: int) -> bool:
    return it.status.weight == weight and it.status.memory.effective_at is not None
