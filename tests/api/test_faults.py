"""Faults in mid-rollout on a real control plane: a leader that dies, one that freezes, an API server that restarts."""

from __future__ import annotations

import asyncio

import pytest

from canary.clients.discovery import Discovery
from canary.clients.kube_cache import Cache, Reflector
from canary.clients.kube_http import connect
from canary.ports import DEPLOYMENT, LEASE
from canary.rollout.phases import Phase
from tests.api.harness import Harness
from tests.api.people import closed
from tests.api.process import Process

pytestmark = pytest.mark.xdist_group("api")

PROMOTED = ["Initializing", "Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]
STEPS = "20@8s,50"


async def in_mid_rollout(it: Harness) -> Process:
    """Start a controller and bring a rollout to its first weight."""
    leader = await it.onboarded(steps=STEPS)
    await it.push("2.0", steps=STEPS)
    await it.until_weight(20)
    return leader


def assert_promoted(it: Harness) -> None:
    assert it.phases == PROMOTED
    assert it.weights == [0, 20, 50, 0]
    assert (it.serving(), it.size()) == (("2.0", 3), 0)


async def test_others_finish_what_one_that_ended_and_one_that_was_killed_began(at_work: Harness) -> None:
    first = await in_mid_rollout(at_work)
    first.terminate()
    assert await first.ended() == 0
    lease = at_work.live(LEASE, "canary-controller")
    assert lease is not None
    await at_work.until(lambda: (at_work.live(LEASE, "canary-controller") or lease)["spec"]["holderIdentity"] == "")
    second = await at_work.started()
    second.kill()
    third = await at_work.started()
    await at_work.until_phase(Phase.SUCCEEDED)
    assert_promoted(at_work)
    assert [won["transitions"] for each in (first, second, third) for won in each.events("leadership_won")] == [1, 2, 3]


async def test_a_frozen_leader_that_wakes_too_late_writes_nothing_and_ends(at_work: Harness) -> None:
    leader = await in_mid_rollout(at_work)
    leader.freeze()
    second = await at_work.started()
    await at_work.until_weight(50)
    leader.wake()
    assert await leader.ended() == 1
    assert f"canary: the lease {at_work.namespace}/canary-controller was lost" in leader.said
    await at_work.until_phase(Phase.SUCCEEDED)
    assert_promoted(at_work)
    assert second.exit_code is None


async def test_a_rollout_goes_on_after_the_api_server_restarts(at_work: Harness) -> None:
    """Where the restart takes longer than a leader may go unrenewed, the standby goes on."""
    leader = await in_mid_rollout(at_work)
    standby = at_work.start()
    await at_work.until(lambda: standby.readiness() == "standby\n")
    assert leader.readiness() == "leader\n"
    at_work.plane.stop_apiserver()
    at_work.plane.start_apiserver()
    await asyncio.to_thread(at_work.plane.until_ready)
    await at_work.until_phase(Phase.SUCCEEDED)
    assert_promoted(at_work)
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
