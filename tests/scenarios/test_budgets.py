"""The test that counts: what a canary may cost the API server (ARCHITECTURE, budgets)."""

from __future__ import annotations

import pytest

from canary.ports import CANARY, EVENT
from canary.rollout.phases import Phase
from canary.sandbox.calls import Call, Verb
from canary.spec.status import status_from_json
from tests.builders import canary, deployment, ref, service
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime


async def test_ten_idle_canaries_cost_nothing(stage: Stage) -> None:
    names = [f"shop-{number}" for number in range(10)]
    for name in names:
        stage.cluster.apply(deployment(name, image=f"registry.example/{name}:1.0"))
        stage.cluster.apply(service(name))
        stage.cluster.apply(canary(name))
    stage.start()

    def at_rest() -> bool:
        found = [status_from_json(stage.cluster.now(ref(CANARY, name)).get("status")) for name in names]
        return all(status.phase is Phase.INITIALIZED for status in found)

    await stage.until(at_rest)
    await stage.rest(30)
    stage.client.requests.clear()
    await stage.rest(60)
    assert list(stage.client.requests.log) == []
    assert stage.metrics.asked == 0


def calls_between(stage: Stage) -> list[tuple[Verb, str]]:
    """What was asked since the log was cleared, Events left out."""
    return [(call.verb, _shown(call)) for call in stage.client.requests.log if call.ref.kind != EVENT]


def _shown(call: Call) -> str:
    return f"{call.ref.kind.kind} {call.ref.name} {call.subresource}".strip()


async def test_one_step_costs_six_writes_and_no_read_beside_its_evaluation(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis(20, 50, 80))
    await stage.pushed("2.0", 20)
    await stage.rest(15)
    stage.client.requests.clear()
    await stage.until_weight(50)
    await stage.rest(15)
    assert [(call.verb, _shown(call)) for call in stage.client.requests.log if call.ref.kind != EVENT] == [
        (Verb.PATCH, "Canary checkout status"),  # the evaluation, and what follows from it
        (Verb.PATCH, "Deployment checkout"),
        (Verb.PATCH, "Canary checkout status"),
        (Verb.PATCH, "VirtualService checkout"),
        (Verb.PATCH, "Canary checkout status"),  # accepted
        (Verb.PATCH, "Canary checkout status"),  # settled
    ]
    assert stage.client.requests.counts[Verb.CREATE, EVENT] == 1


async def test_one_evaluation_costs_one_write_and_no_read(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis({"weight": 20, "duration": "10m"}, 50))
    await stage.pushed("2.0", 20)
    await stage.until(lambda: stage.status.memory.evaluated_at is not None)
    stage.client.requests.clear()
    await stage.rest(5 * 20 + 1)
    assert calls_between(stage) == [(Verb.PATCH, "Canary checkout status")] * 5


async def test_a_prometheus_that_is_down_costs_no_write_a_scrape(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    stage.metrics.down = True
    await stage.rest(60)
    stage.client.requests.clear()
    await stage.rest(600)
    assert list(stage.client.requests.log) == []


async def test_a_canary_that_rests_after_a_rollout_costs_nothing(stage: Stage) -> None:
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.rest(30)
    stage.client.requests.clear()
    await stage.rest(600)
    assert list(stage.client.requests.log) == []
