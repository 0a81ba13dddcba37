"""No end comes from old data: what caches say of a deadline or of pods is looked at live before anything is ended."""

from __future__ import annotations

from contextlib import suppress

import pytest

from canary.errors import Unavailable
from canary.ports import DEPLOYMENT, ENDPOINT_SLICE, POD, REPLICA_SET
from canary.rollout.phases import Phase
from canary.sandbox.calls import Call, Verb
from canary.sandbox.simulated import CRASHING, NEVER_READY, UNPULLABLE, PodBehaviour
from tests.builders import deployment, ref
from tests.embedded import pods_of, ready_images
from tests.scenarios.stage import Stage, image

pytestmark = pytest.mark.looptime

SLOW = PodBehaviour(ready_after=30.0)
OF_THE_CANARY = [DEPLOYMENT, REPLICA_SET, POD, ENDPOINT_SLICE]


def looks(stage: Stage) -> list[object]:
    """The kinds that were read live, in order."""
    return [call.ref.kind for call in stage.client.requests.log if call.verb is Verb.READ]


async def slow_pods_behind_a_silent_watch(stage: Stage) -> None:
    """A candidate whose pod is ready after half of its deadline; by then no event reaches the controller any more."""
    stage.runtime.by_tag["2.0"] = SLOW
    await stage.onboarded(progressDeadline="60s")
    stage.push("2.0")
    await stage.until(lambda: stage.candidate == (1, True) and pods_of(stage.cluster, "checkout"))
    await stage.rest(10)
    stage.client.requests.clear()
    stage.client.hold_events()


async def test_pods_that_are_ready_are_not_late_because_no_event_tells_of_them(stage: Stage) -> None:
    await slow_pods_behind_a_silent_watch(stage)
    await stage.rest(45)
    assert ready_images(stage.cluster) == [image("2.0")]
    assert (looks(stage), stage.phases) == ([], ["Initialized", "Progressing"])
    await stage.rest(30)
    assert looks(stage) == OF_THE_CANARY
    stage.client.release_events()
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.history == [("2.0", "promoted")]
    assert "RolledBack" not in stage.reasons


async def test_without_an_answer_the_split_is_held_and_nothing_is_written_until_there_is_one(stage: Stage) -> None:
    stage.runtime.by_tag["2.0"] = NEVER_READY
    await stage.onboarded(progressDeadline="60s")
    stage.push("2.0")
    await stage.until(lambda: stage.candidate == (1, True))
    await stage.rest(50)
    stage.client.requests.clear()

    def unreadable(call: Call) -> None:
        if call.verb is Verb.READ:
            raise Unavailable(f"{call.ref}: no answer")

    stage.client.before = unreadable
    await stage.rest(120)
    assert stage.status.phase is Phase.PROGRESSING
    assert stage.client.requests.writes == 0
    assert 10 < len(looks(stage)) / 4 < 30, "tried again with a delay of at most ten seconds"
    stage.client.before = None
    await stage.until_phase(Phase.FAILED, within=60)
    assert "only 0 of 1 pods were ready within 60 s" in stage.status.message


@pytest.mark.parametrize(
    ("behaviour", "kinds"),
    [
        pytest.param(CRASHING, OF_THE_CANARY, id="three restarts"),
        pytest.param(UNPULLABLE, OF_THE_CANARY, id="a minute of pull errors"),
        pytest.param(NEVER_READY, OF_THE_CANARY, id="the deadline"),
    ],
)
async def test_a_rollback_because_of_pods_costs_one_live_look(
    stage: Stage, behaviour: PodBehaviour, kinds: list[object]
) -> None:
    stage.runtime.by_tag["2.0"] = behaviour
    await stage.onboarded(progressDeadline="90s")
    stage.client.requests.clear()
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    assert looks(stage) == kinds


async def test_a_rollback_by_checks_and_a_promotion_cost_no_live_look(stage: Stage) -> None:
    await stage.onboarded()
    stage.client.requests.clear()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    stage.canary_traffic(bad=0.5)
    stage.push("3.0")
    await stage.until_phase(Phase.FAILED)
    assert looks(stage) == []


async def test_pods_that_crashed_and_were_replaced_since_end_nothing(stage: Stage) -> None:
    stage.runtime.by_tag["2.0"] = CRASHING
    await stage.onboarded(progressDeadline="10m")
    stage.push("2.0")

    def restarts() -> int:
        states = [
            one for pod in pods_of(stage.cluster, "checkout") for one in pod["status"].get("containerStatuses", ())
        ]
        return max((one["restartCount"] for one in states), default=0)

    await stage.until(lambda: pods_of(stage.cluster, "checkout"))
    stage.client.lag = 8.0
    await stage.until(lambda: restarts() == 3)
    stage.client.requests.clear()
    stage.runtime.by_tag["2.0"] = PodBehaviour()
    [pod] = pods_of(stage.cluster, "checkout")
    stage.cluster.remove(ref(POD, pod["metadata"]["name"]))
    await stage.rest(12)
    stage.client.lag = 0.0
    assert POD in looks(stage)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.history == [("2.0", "promoted")]


async def test_a_new_primary_that_is_ready_is_not_late_because_no_event_tells_of_it(stage: Stage) -> None:
    await stage.onboarded(progressDeadline="60s", skipAnalysis=True)
    stage.runtime.choose = lambda pod: SLOW if pod["metadata"]["name"].startswith("checkout-primary") else None
    stage.push("2.0")
    await stage.until_phase(Phase.PROMOTING)
    await stage.rest(20)
    stage.client.requests.clear()
    stage.client.hold_events()
    await stage.until(lambda: stage.serving == ["2.0"] * 3)
    assert stage.status.phase is Phase.PROMOTING
    await stage.until_phase(Phase.FINALIZING, within=60)
    assert looks(stage) == [DEPLOYMENT, REPLICA_SET, POD] * 2, "at its deadline, and a deadline after the progress seen"
    stage.client.release_events()
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.history == [("2.0", "promoted")]


async def test_a_deployment_that_came_back_unseen_loses_nothing_of_what_serves(stage: Stage) -> None:
    await stage.onboarded()
    stage.cluster.remove(ref(DEPLOYMENT))
    await stage.until(lambda: "TargetGone" in stage.reasons)
    stage.client.hold_events()
    stage.cluster.apply(deployment(replicas=0))
    await stage.rest(700)
    assert stage.serving == ["1.0"] * 3
    assert stage.status.phase is Phase.INITIALIZED
    stage.client.release_events()
    with suppress(AssertionError):
        await stage.until_phase(Phase.INITIALIZING, within=30)
    assert stage.serving == ["1.0"] * 3
