"""What canaries cost a real API server, by what it wrote into its audit log."""

from __future__ import annotations

import asyncio

import pytest

from canary.ports import CANARY
from canary.rollout.phases import Phase
from canary.spec.status import status_from_json
from tests.api.audit import Request, requests
from tests.api.harness import QUICK, Harness
from tests.api.side_by_side import scene
from tests.builders import deployment, service

pytestmark = pytest.mark.xdist_group("api-scenes")

NAMES = tuple(f"shop-{number}" for number in range(10))
MINUTE_S = 60.0
BUSY = 4
STEPS = "20,30,40,50@10m"


def asked(it: Harness) -> list[Request]:
    """What the controller asked for until now, in the namespace, and of all namespaces at once but for its watches."""
    everywhere = [each for each in requests(it.plane.folder) if each.namespace or each.verb != "watch"]
    return [each for each in everywhere if each.namespace in ("", it.namespace)]


async def quiet(it: Harness) -> list[Request]:
    """Wait until nothing was asked for two seconds; return what was asked until then."""
    seen: list[Request] = []
    async with asyncio.timeout(60):
        while seen != (now := asked(it)) or not seen:
            seen = now
            await asyncio.sleep(2)
    return seen


@scene
async def test_ten_idle_canaries_cost_no_request_in_a_minute(it: Harness) -> None:
    for name in NAMES:
        await it.people.apply(service(name, namespace=it.namespace))
        await it.people.apply(deployment(name, replicas=1, annotations=QUICK, namespace=it.namespace))
    await it.until(lambda: [phase_of(it, name) for name in NAMES] == [Phase.INITIALIZED] * 10)
    before = await quiet(it)
    assert {each.name for each in before if each.resource == "canaries/status"} == set(NAMES)
    await asyncio.sleep(MINUTE_S)
    assert asked(it)[len(before) :] == []


def phase_of(it: Harness, name: str) -> Phase | None:
    live = it.live(CANARY, name)
    return status_from_json(live.get("status")).phase if live is not None else None


@scene
async def test_a_step_costs_six_writes_and_its_evaluation_one_and_no_read(it: Harness) -> None:
    await it.there(steps=STEPS)
    await it.push("2.0", steps=STEPS)
    await it.until_weight(20)
    await it.until(lambda: effective(it, 20))
    steps: list[list[Request]] = []
    for weight in (30, 40, 50):
        before = len(asked(it))
        await it.until(lambda: effective(it, weight))  # noqa: B023 - it is over before the next weight
        steps.append(asked(it)[before:])
    assert [str(each) for spent in steps for each in spent if not each.writes] == []
    spent = sorted(map(len, steps))
    shown = [[str(each) for each in spent] for spent in steps]
    # A busy machine tells of pods one by one, or evaluates twice, and each is a write: one step of three may have more.
    assert spent[1] <= 6 + 1, shown
    assert spent[2] <= 6 + 1 + BUSY, shown


def effective(it: Harness, weight: int) -> bool:
    return it.status.weight == weight and it.status.memory.effective_at is not None
