"""Whole rollouts on a real control plane: `canary run` in a process of its own, with its own ServiceAccount."""

from __future__ import annotations

import pytest

from canary.ports import CANARY, DEPLOYMENT, SERVICE, Propagation
from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.simulated import PodBehaviour
from tests.api.harness import Harness, hold_as_before
from tests.builders import settings

pytestmark = pytest.mark.xdist_group("api")

ONBOARDED = ["Initializing", "Initialized"]
PROMOTED = [*ONBOARDED, "Progressing", "Promoting", "Finalizing", "Succeeded"]
ROLLED_BACK = [*ONBOARDED, "Progressing", "RollingBack", "Failed"]
BAD_FROM_THE_START = PodBehaviour(crashes_after=0.1)


async def test_a_good_version_is_promoted_and_leaving_gives_everything_back(at_work: Harness) -> None:
    await at_work.onboarded()
    assert (at_work.serving(), at_work.size(), at_work.weight) == (("1.0", 3), 0, 0)
    await at_work.push("2.0")
    await at_work.until_phase(Phase.SUCCEEDED)
    assert at_work.phases == PROMOTED
    assert at_work.weights == [0, 50, 0]
    assert (at_work.serving(), at_work.size()) == (("2.0", 3), 0)
    gone = {"metadata": {"annotations": {"canary.delivery/enabled": None}}}
    await at_work.people.patch(at_work.ref(DEPLOYMENT), gone)
    await at_work.until(lambda: at_work.live(CANARY) is None)
    await gave_back(at_work, "2.0")


async def gave_back(it: Harness, tag: str) -> None:
    """The Deployment serves by itself, and nothing of ours is left."""
    await it.until(lambda: it.live(DEPLOYMENT, "checkout-primary") is None)
    await it.until(lambda: it.live(VIRTUAL_SERVICE) is None and it.live(SERVICE, "checkout-canary") is None)
    await it.until(lambda: it.serving("checkout") == (tag, 3))
    apex = it.live(SERVICE)
    assert apex is not None
    assert apex["spec"]["selector"] == {"app": "checkout"}


async def test_a_canary_that_is_deleted_in_the_foreground_gives_everything_back(at_work: Harness) -> None:
    """In the background it is deleted by the controller itself when a Deployment opts out, as above."""
    await at_work.onboarded()
    await at_work.people.patch(at_work.ref(DEPLOYMENT), {"metadata": {"annotations": settings(enabled="false")}})
    await at_work.people.delete(at_work.ref(CANARY), Propagation.FOREGROUND)
    await at_work.until(lambda: at_work.live(CANARY) is None)
    await gave_back(at_work, "1.0")


async def test_versions_whose_requests_fail_are_rolled_back(at_work: Harness) -> None:
    await at_work.onboarded(max_failures="1")
    for tag, bad, because in (("2.0", 0.04, "success-rate is 96 %"), ("3.0", 1.0, "success-rate is 0 %")):
        at_work.metrics.set("checkout", bad=bad)
        await at_work.push(tag, max_failures="1")
        await at_work.until_phase(Phase.PROGRESSING)
        await at_work.until_phase(Phase.FAILED)
        assert because in at_work.status.message
        hold_as_before(at_work)
    assert at_work.phases == [*ROLLED_BACK, *ROLLED_BACK[2:]]
    assert at_work.weights == [0, 50, 0, 50, 0]


async def test_a_version_that_crashes_is_rolled_back_without_a_request(at_work: Harness) -> None:
    at_work.runtime.by_tag["2.0"] = BAD_FROM_THE_START
    await at_work.onboarded(progress_deadline="8s")
    await at_work.push("2.0", progress_deadline="8s")
    await at_work.until_phase(Phase.FAILED)
    assert at_work.phases == ROLLED_BACK
    assert at_work.weights == [0]
    hold_as_before(at_work)


async def test_a_push_and_its_revert_in_mid_rollout(at_work: Harness) -> None:
    await at_work.onboarded(steps="20@5m")
    await at_work.push("2.0", steps="20@5m")
    await at_work.until_weight(20)
    await at_work.push("3.0", steps="20@5m")
    await at_work.until_weight(0)
    await at_work.until_weight(20)
    assert at_work.serving("checkout")[0] == "3.0"
    await at_work.push("1.0", steps="20@5m")
    await at_work.until_phase(Phase.SUCCEEDED)
    assert at_work.phases == [*ONBOARDED, "Progressing", "Finalizing", "Succeeded"]
    assert at_work.weights == [0, 20, 0, 20, 0]
    hold_as_before(at_work)


async def test_abort_by_annotation_is_obeyed_and_taken_away(at_work: Harness) -> None:
    await at_work.onboarded(steps="20@5m")
    await at_work.push("2.0", steps="20@5m")
    await at_work.until_weight(20)
    abort = {"metadata": {"annotations": settings(command="abort")}}
    await at_work.people.patch(at_work.ref(CANARY), abort, "alice")
    await at_work.until_phase(Phase.FAILED)
    assert at_work.phases == ROLLED_BACK
    last, live = at_work.status.last_command, at_work.live(CANARY)
    assert last is not None
    assert (last.name.value, last.by) == ("abort", "alice")
    assert live is not None
    assert "canary.delivery/command" not in live["metadata"].get("annotations", {})
    hold_as_before(at_work)
