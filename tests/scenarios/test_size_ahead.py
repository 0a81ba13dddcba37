"""A primary that grows in mid-rollout: the weight waits for pods that carry its share of what comes."""

from __future__ import annotations

import pytest

from canary.errors import Unavailable
from canary.rollout.phases import Phase
from canary.sandbox.calls import Call
from canary.sandbox.kinds import VIRTUAL_SERVICE
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime


async def test_a_rise_that_could_not_be_written_is_not_made_once_the_primary_is_to_grow(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis({"weight": 20}, {"weight": 50, "duration": "10m"}))
    await stage.pushed("2.0", 20)

    def refuses_routes(call: Call) -> None:
        if call.ref.kind == VIRTUAL_SERVICE:
            raise Unavailable("429: too many requests")

    stage.client.before = refuses_routes
    await stage.until(lambda: stage.status.weight == 50)
    stage.client.before = None
    stage.edit_spec(replicas=5)
    await stage.until_weight(50)
    assert stage.candidate[0] == 3
    assert stage.primary["spec"]["replicas"] == 5
    await stage.until_phase(Phase.PROMOTING, within=900)
    assert stage.watch.found == []
