"""A Canary that is pointed at other objects: taken at rest, never in mid-rollout, and another target not at all."""

from __future__ import annotations

import pytest

from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from tests.builders import ref, service
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime


def routes(stage: Stage) -> list[str]:
    return sorted(route["metadata"]["name"] for route in stage.cluster.store.list(VIRTUAL_SERVICE))


async def test_another_apex_waits_for_the_end_of_the_rollout(stage: Stage) -> None:
    await stage.onboarded(service("front", selector={"app": "checkout"}))
    await stage.pushed("2.0")

    stage.edit_spec(service={"name": "front"})
    await stage.rest(5)

    assert (routes(stage), stage.status.phase) == (["checkout"], Phase.PROGRESSING)
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.until(lambda: routes(stage) == ["front"])
    assert stage.history == [("1.0", "promoted")] or stage.history[-1] == ("2.0", "promoted")


async def test_at_rest_the_old_route_goes_before_the_new_one_comes(stage: Stage) -> None:
    await stage.onboarded(service("front", selector={"app": "checkout"}))

    stage.edit_spec(service={"name": "front"})
    await stage.until(lambda: routes(stage) == ["front"])

    await stage.rest()
    assert (routes(stage), stage.status.phase) == (["front"], Phase.INITIALIZED)
    assert stage.cluster.store.get(ref(VIRTUAL_SERVICE)) is None


async def test_another_target_is_refused_and_the_old_one_goes_on(stage: Stage) -> None:
    await stage.onboarded()

    stage.edit_spec(targetRef={"name": "basket"})
    await stage.until(lambda: stage.ready_condition.reason == "InvalidSpec")

    assert "allowed is checkout" in stage.ready_condition.message
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.serving == ["2.0"] * 3
