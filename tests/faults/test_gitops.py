"""On a real control plane Argo CD and Flux apply the user's manifests every few seconds, with all that is shared in it;
each life of a canary ends as it must, under a controller of its own, and its writes are bounded. Lives are led side by
side. Minutes, so only `make test-faults` does it; the other lives are in tests/api/installed.
"""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from tests.api.gitops import EVERY_S, Tool, Written
from tests.api.gitops_lives import promoted_under, rolled_back_under, widened_under
from tests.api.harness import Harness
from tests.api.side_by_side import scene
from tests.faults.table import ON_A_CONTROL_PLANE, TALE, tale

pytestmark = pytest.mark.xdist_group("api-faults")

PATIENCE_S = 250.0


async def led(it: Harness, name: str, life: Awaitable[Written]) -> None:
    """Lead one life, and note how often Git was applied in it and what the controller wrote meanwhile."""
    it.patience_s = PATIENCE_S
    it.start()
    written = await life
    faults = {"applied": round(written.minutes * 60 / EVERY_S), "written": written.counts.total()}
    it.notes[TALE] = tale(name, faults, ON_A_CONTROL_PLANE)


@scene
async def test_a_version_is_promoted_while_flux_applies_what_is_shared_every_three_seconds(it: Harness) -> None:
    await led(it, "promotion, flux applies", promoted_under(it, Tool.FLUX))


@scene
async def test_a_version_is_rolled_back_while_argo_cd_applies_what_is_shared_every_three_seconds(it: Harness) -> None:
    await led(it, "rollback, argo applies", rolled_back_under(it, Tool.ARGO))


@scene
async def test_writes_are_bounded_while_a_selector_is_replaced_for_a_minute_and_a_half(it: Harness) -> None:
    await led(it, "promotion, a selector replaced", widened_under(it, lasts_s=90))
