"""On a real control plane Argo CD and Flux apply the user's manifests every few seconds, with all that is shared in it;
each life of a canary ends as it must. They are led side by side. Minutes, so only `make test-faults` does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.api.control_plane import ControlPlane
from tests.api.gitops import EVERY_S, Tool, Written
from tests.api.gitops_lives import promoted_under, rolled_back_under, widened_under
from tests.api.harness import Harness, fresh_name, playing
from tests.api.world import World, namespace_made, world
from tests.faults.table import ON_A_CONTROL_PLANE, TALE, tale

pytestmark = pytest.mark.xdist_group("api-faults")

PATIENCE_S = 250.0

Life = Callable[[Harness], Awaitable[Written]]
LIVES: dict[str, Life] = {
    "promotion, argo applies": partial(promoted_under, tool=Tool.ARGO),
    "promotion, flux applies": partial(promoted_under, tool=Tool.FLUX),
    "rollback, argo applies": partial(rolled_back_under, tool=Tool.ARGO),
    "rollback, flux applies": partial(rolled_back_under, tool=Tool.FLUX),
    "promotion, a selector replaced": widened_under,
}


async def lead(of: World, life: Life) -> Written:
    """Lead one life in a namespace of its own, under a controller of its own."""
    namespace = fresh_name()
    folder = of.folder / namespace
    folder.mkdir()
    await namespace_made(of.http, of.people, namespace)
    with playing(of, namespace, folder) as it:
        it.patience_s = PATIENCE_S
        it.start()
        written = await life(it)
        it.apex.assert_served(it.report())
    await of.clear(namespace)
    return written


async def test_while_git_is_applied_every_few_seconds_each_life_ends_as_it_must_and_writes_are_bounded(
    plane: ControlPlane, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    async with world(plane, tmp_path, ()) as of:
        written = await asyncio.gather(*(lead(of, life) for life in LIVES.values()))
    for name, one in zip(LIVES, written, strict=True):
        faults = {"applied": round(one.minutes * 60 / EVERY_S), "written": one.counts.total()}
        record_property(TALE, tale(name, faults, ON_A_CONTROL_PLANE))
