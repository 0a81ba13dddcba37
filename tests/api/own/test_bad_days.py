"""Prometheus is away on a real control plane; alone with its controller, since nobody else's rollout is to wait."""

from __future__ import annotations

import asyncio

import pytest

from canary.rollout.phases import Phase
from tests.api.harness import Harness
from tests.api.side_by_side import scene

pytestmark = pytest.mark.xdist_group("api-scenes")

LONGER_THAN_A_STEP_S = 12.0


@scene
async def test_prometheus_that_is_down_from_the_first_check_to_the_last_holds_the_split_and_is_told_once(
    it: Harness,
) -> None:
    await it.onboarded()
    it.metrics.silent = True
    await it.push("2.0")
    await it.until_weight(50)
    await it.until(lambda: "MetricsUnavailable" in it.reasons)
    await asyncio.sleep(LONGER_THAN_A_STEP_S)
    assert (it.status.phase, it.weight, it.serving()) == (Phase.PROGRESSING, 50, ("1.0", 3))
    it.metrics.silent = False
    await it.until_phase(Phase.SUCCEEDED)
    await it.until(lambda: "MetricsBack" in it.reasons)
    assert it.weights == [0, 50, 0]
    assert it.reasons.count("MetricsUnavailable") == 1
    assert it.serving() == ("2.0", 3)
