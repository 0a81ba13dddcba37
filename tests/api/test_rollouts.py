"""Whole rollouts on a real control plane: `canary run` in a process of its own."""

from __future__ import annotations

import pytest

from canary.rollout.phases import Phase
from tests.api.harness import Harness

pytestmark = pytest.mark.xdist_group("api")

PROMOTED = ["Initializing", "Initialized", "Progressing", "Promoting", "Finalizing", "Succeeded"]


async def test_a_good_version_is_promoted(at_work: Harness) -> None:
    await at_work.onboarded()
    assert (at_work.serving(), at_work.size(), at_work.weight) == (("1.0", 3), 0, 0)
    await at_work.push("2.0")
    await at_work.until_phase(Phase.SUCCEEDED)
    assert at_work.phases == PROMOTED
    assert at_work.weights == [0, 50, 0]
    assert (at_work.serving(), at_work.size()) == (("2.0", 3), 0)
