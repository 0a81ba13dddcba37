"""Faults in mid-rollout on a real control plane: leaders that are ended, killed or frozen at any moment."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from canary.controller.names import EPOCH
from canary.ports import CANARY, DEPLOYMENT, LEASE
from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from tests.api.gate import Gate, gate
from tests.api.harness import Harness, hold_as_before
from tests.api.load import load
from tests.api.process import Process
from tests.api.side_by_side import scene
from tests.builders import service

pytestmark = pytest.mark.xdist_group("api-scenes")

ONBOARDED = ["Initializing", "Initialized"]
PROMOTED = [*ONBOARDED, "Progressing", "Promoting", "Finalizing", "Succeeded"]
STEPS = "20@8s,50"


def kill_in(phase: Phase, it: Harness, leader: Process) -> Callable[[], bool]:
    """Kill the leader at the moment at which the status says that phase; return whether that has happened."""

    def look(now: str) -> None:
        if now == phase.value and leader.exit_code is None:
            leader.kill()

    it.on_phase = look
    return lambda: leader.exit_code is not None


async def in_mid_rollout(it: Harness) -> Process:
    """Start a controller and bring a rollout to its first weight."""
    leader = await it.onboarded(steps=STEPS)
    await it.push("2.0", steps=STEPS)
    await it.until_weight(20)
    return leader


def assert_promoted(it: Harness, weights: tuple[int, ...] = (0, 20, 50, 0)) -> None:
    assert it.phases == PROMOTED
    assert it.weights == [*weights]
    assert (it.serving(), it.size()) == (("2.0", 3), 0)
    assert [(past.image.rpartition(":")[2], past.outcome.value) for past in it.status.history] == [("2.0", "promoted")]


@scene
async def test_one_that_is_killed_while_initializing_is_followed_by_one_that_ends_it(it: Harness) -> None:
    first = it.start()
    killed = kill_in(Phase.INITIALIZING, it, first)
    onboarding = asyncio.create_task(it.there())
    await it.until(killed)
    await it.started()
    await onboarding
    assert it.phases == ONBOARDED
    await hold_as_before(it)


async def promoted_though_killed_in(it: Harness, phase: Phase) -> None:
    """A replica that stood by goes on."""
    first = await it.onboarded()
    killed = kill_in(phase, it, first)
    standby = it.start()
    await it.until(lambda: standby.readiness() == "standby\n")
    await it.push("2.0")
    await it.until(killed)
    await it.until_phase(Phase.SUCCEEDED)
    assert standby.leads
    await it.until(lambda: it.size() == 0)  # what a watch of another kind tells
    assert_promoted(it, (0, 50, 0))


@scene
async def test_one_that_is_killed_while_progressing(it: Harness) -> None:
    await promoted_though_killed_in(it, Phase.PROGRESSING)


@scene
async def test_one_that_is_killed_while_promoting(it: Harness) -> None:
    await promoted_though_killed_in(it, Phase.PROMOTING)


@scene
async def test_one_that_is_killed_while_finalizing(it: Harness) -> None:
    await promoted_though_killed_in(it, Phase.FINALIZING)


@scene
async def test_one_that_is_killed_while_paused(it: Harness) -> None:
    killed = kill_in(Phase.PAUSED, it, await in_mid_rollout(it))
    await it.annotate(it.ref(CANARY), command="pause")
    await it.until(killed)
    await it.started()
    await it.until(lambda: "command" not in str(it.live(CANARY)["metadata"].get("annotations")))  # type: ignore[index]
    assert (it.status.phase, it.weight) == (Phase.PAUSED, 20)
    await it.annotate(it.ref(CANARY), command="resume")
    await it.until_phase(Phase.SUCCEEDED)
    assert it.phases == [*ONBOARDED, "Progressing", "Paused", *PROMOTED[2:]]
    assert it.weights == [0, 20, 50, 0]
    assert it.serving() == ("2.0", 3)


@scene
async def test_one_that_is_killed_while_rolling_back(it: Harness) -> None:
    killed = kill_in(Phase.ROLLING_BACK, it, await in_mid_rollout(it))
    it.metrics.set("checkout", bad=0.5)
    await it.until(killed)
    await it.started()
    await it.until_phase(Phase.FAILED)
    assert it.phases == [*ONBOARDED, "Progressing", "RollingBack", "Failed"]
    assert it.weights == [0, 20, 0]
    await hold_as_before(it)


@scene
async def test_others_finish_what_one_that_ended_and_one_that_was_killed_began(it: Harness) -> None:
    first = await in_mid_rollout(it)
    first.terminate()
    assert await first.ended() == 0
    lease = it.live(LEASE, "canary-controller")
    assert lease is not None
    await it.until(lambda: (it.live(LEASE, "canary-controller") or lease)["spec"]["holderIdentity"] == "")
    second = await it.started()
    second.kill()
    third = await it.started()
    await it.until_phase(Phase.SUCCEEDED)
    assert_promoted(it)
    assert [won["transitions"] for each in (first, second, third) for won in each.events("leadership_won")] == [1, 2, 3]


@scene
async def test_a_frozen_leader_that_wakes_too_late_writes_nothing_and_ends(it: Harness) -> None:
    leader = await in_mid_rollout(it)
    leader.freeze()
    second = await it.started()
    await it.until_weight(50)
    leader.wake()
    assert await leader.ended() == 1
    assert f"canary: the lease {it.namespace}/canary-controller was lost" in leader.said
    await it.until_phase(Phase.SUCCEEDED)
    assert_promoted(it)
    assert second.exit_code is None


def behind(line: Gate, it: Harness) -> Process:
    """Start a controller whose requests go through the gate."""
    return it.start(line.kubeconfig(it.plane.folder / "controller.kubeconfig"))


async def held_back(it: Harness, line: Gate, leader: Process, what: str) -> None:
    """Freeze the leader once it has sent a PATCH of `what`, which does not arrive."""
    line.hold = lambda method, path: method == "PATCH" and path.endswith(what)
    await it.until(lambda: line.held)
    leader.freeze()


async def too_late(it: Harness, line: Gate, leader: Process, phase: Phase | None = None) -> None:
    """Let what was held back arrive once another leads, and has come to the phase: the answer is 409."""
    before = epoch(it)
    await it.started()
    await it.until(lambda: epoch(it) not in ("", before) and phase in (None, it.status.phase))
    sent = len(line.held)
    line.open()
    await it.until(lambda: len(line.answers) == sent)
    assert {status for _, status in line.answers} == {409}, line.answers
    leader.wake()
    assert await leader.ended() == 1


async def refused_late(it: Harness, what: str) -> None:
    """A leader freezes after it sent a PATCH of `what`, which arrives after another leads."""
    async with gate(it.plane) as line:
        leader = behind(line, it)
        await it.there(steps=STEPS)
        await it.push("2.0", steps=STEPS)
        await it.until_weight(20)
        await held_back(it, line, leader, what)
        await too_late(it, line, leader)
    await it.until_phase(Phase.SUCCEEDED)
    assert_promoted(it)


def epoch(it: Harness) -> str:
    """The mark of the leader on the Deployment, the last of the three objects that are marked."""
    live = it.live(DEPLOYMENT)
    return str(live["metadata"]["labels"].get(EPOCH, "")) if live is not None else ""


@scene
async def test_a_late_write_of_the_status_is_refused_by_the_server(it: Harness) -> None:
    await refused_late(it, "/canaries/checkout/status")


@scene
async def test_a_late_write_of_the_route_is_refused_by_the_server(it: Harness) -> None:
    await refused_late(it, f"/{VIRTUAL_SERVICE.kind.lower()}s/checkout")


@scene
async def test_a_late_write_of_the_deployment_is_refused_by_the_server(it: Harness) -> None:
    await refused_late(it, "/deployments/checkout")


@scene
async def test_a_late_write_of_the_canary_service_is_refused_by_the_server(it: Harness) -> None:
    """It is pinned anew for a push in mid-rollout."""
    async with gate(it.plane) as line:
        leader = behind(line, it)
        await it.there(steps=STEPS)
        await it.push("2.0", steps=STEPS)
        await it.until_weight(20)
        await it.push("3.0", steps=STEPS)
        await held_back(it, line, leader, "/services/checkout-canary")
        await too_late(it, line, leader)
    await it.until_phase(Phase.SUCCEEDED)
    assert it.weights == [0, 20, 0, 20, 50, 0]
    assert (it.serving(), it.size()) == (("3.0", 3), 0)


@scene
async def test_a_late_promotion_is_refused_by_the_server_after_another_obeyed_an_abort(it: Harness) -> None:
    served: set[str] = set()
    it.view.subscribe(lambda _: served.add(it.serving()[0]))
    async with gate(it.plane) as line:
        leader = behind(line, it)
        await it.there()
        await it.push("2.0")
        await held_back(it, line, leader, "/deployments/checkout-primary")
        await it.annotate(it.ref(CANARY), command="abort")
        await too_late(it, line, leader, Phase.FAILED)
    await hold_as_before(it)
    assert served - {""} == {"1.0"}


@scene
async def test_prometheus_judges_what_the_pods_counted_under_load(it: Harness) -> None:
    """Everything that the checks rest on is real: counters, scrapes, PromQL. The stand-in answers nothing here."""
    async with load(it) as clients:
        await it.people.apply(service(namespace=it.namespace))
        await it.push("1.0", replicas=3, enabled="false")
        await it.until(lambda: len(it.apex.ready()) == 3)
        clients.begin()
        it.start(prometheus_url=clients.prometheus_url)
        await it.push("1.0")
        await it.until_phase(Phase.INITIALIZED)
        await it.push("2.0")
        await it.until_phase(Phase.SUCCEEDED)
        clients.bad["3.0"] = 0.5
        await it.push("3.0")
        await it.until_phase(Phase.FAILED)
    assert re.search(r"failing fast, success-rate is [45]\d", it.status.message), (
        "half of the requests fail, or nearly so"
    )
    assert it.phases == [*PROMOTED, "Progressing", "RollingBack", "Failed"]
    assert it.weights == [0, 50, 0, 50, 0]
    assert (it.serving(), it.size()) == (("2.0", 3), 0)
    assert (set(clients.failed), dict(clients.lost)) == ({"3.0"}, {})
    assert it.metrics.asked == 0
