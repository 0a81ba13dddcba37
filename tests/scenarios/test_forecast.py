"""The timeline of `canary plan` is what the whole controller does in the embedded cluster, but for a second or two."""

from __future__ import annotations

from datetime import timedelta

import pytest

from canary.forecast.simulation import Assumed
from canary.forecast.timeline import timeline
from canary.ports import CANARY
from canary.spec.plan import plan_from
from tests.builders import ref
from tests.scenarios.stage import SETTINGS, Stage, analysis

pytestmark = pytest.mark.looptime

NEAR_S = 12.0
"""The world adds: a watch event, an EndpointSlice, a container; and windows lie on a grid, which moves each of three
steps by up to two thirds of a scrape of 5 s."""


async def test_the_forecast_of_a_rollout_comes_true(stage: Stage) -> None:
    await stage.onboarded(analysis=analysis(20, {"weight": 40, "duration": "50s"}, 60))
    plan = plan_from(stage.cluster.now(ref(CANARY)), timing=SETTINGS.timing, default_mesh="istio")
    found = timeline(plan, Assumed(primary=3, ready_after=timedelta(seconds=1)))

    began = stage.cluster.clock.now()
    stage.push("2.0")
    seen = []
    for step in found.steps:
        await stage.until_weight(step.weight)
        seen.append((stage.cluster.clock.now() - began).total_seconds())
    await stage.until_serving("2.0")
    seen.append((stage.cluster.clock.now() - began).total_seconds())

    foretold = [*(step.begins.total_seconds() for step in found.steps), found.over.total_seconds()]
    assert seen == pytest.approx(foretold, abs=NEAR_S)
