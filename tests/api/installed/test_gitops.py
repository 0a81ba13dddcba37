"""Argo CD and Flux apply the user's manifests every few seconds on a real control plane; rollouts end as they must."""

from __future__ import annotations

import pytest

from canary.rollout.phases import Phase
from tests.api.gitops import Tool
from tests.api.gitops_lives import promoted_under, rolled_back_under, widened_under
from tests.api.harness import Harness
from tests.api.side_by_side import scene

pytestmark = pytest.mark.xdist_group("api-scenes")


@scene
async def test_a_version_is_promoted_while_argo_cd_applies_what_is_shared_every_three_seconds(it: Harness) -> None:
    await promoted_under(it, Tool.ARGO)
    assert it.status.phase is Phase.SUCCEEDED


@scene
async def test_a_version_is_rolled_back_while_flux_applies_what_is_shared_every_three_seconds(it: Harness) -> None:
    await rolled_back_under(it, Tool.FLUX)
    assert it.status.phase is Phase.FAILED


@scene
async def test_nothing_is_promoted_while_a_selector_is_replaced_every_three_seconds(it: Harness) -> None:
    await widened_under(it)
