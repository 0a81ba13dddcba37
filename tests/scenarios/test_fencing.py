"""A controller that froze and knows old things: what it writes late is refused."""

from __future__ import annotations

import asyncio

import pytest

from canary.ports import EVENT, Watched
from canary.rollout.phases import Phase
from tests.bounded import MINUTES_S
from tests.scenarios.branches import Branches
from tests.scenarios.faults import FreezeInEach
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime

WRITES = 30
"""Fewer writes without Events than a promotion has."""


@pytest.mark.bound(MINUTES_S)
async def test_a_late_write_is_refused_as_soon_as_another_controller_leads(stage: Stage, branches: Branches) -> None:
    await stage.onboarded()
    freeze = FreezeInEach(stage, branches)
    stage.push("2.0")
    over = asyncio.create_task(stage.until_phase(Phase.SUCCEEDED))
    frozen = asyncio.create_task(freeze.frozen.wait())
    await asyncio.wait({over, frozen}, return_when=asyncio.FIRST_COMPLETED)
    if freeze.call is None:
        frozen.cancel()
        assert len(branches.points) > WRITES
        return
    stage.start()
    await stage.rest(2)
    changes: list[Watched] = []
    stage.cluster.store.listen(changes.append)
    await freeze.thaw()
    assert [each for each in changes if each.ref.kind != EVENT] == [], freeze.call
    await over
    assert stage.serving == ["2.0"] * 3
    assert stage.weights == [0, 20, 50, 0]


@pytest.mark.bound(MINUTES_S)
async def test_a_late_write_is_refused_too_after_another_obeyed_an_abort(stage: Stage, branches: Branches) -> None:
    """Nothing of what the first had begun is repeated by the second, so nothing but its marks is in the way."""
    await stage.onboarded()
    freeze = FreezeInEach(stage, branches)
    stage.push("2.0")
    over = asyncio.create_task(stage.until_phase(Phase.SUCCEEDED))
    frozen = asyncio.create_task(freeze.frozen.wait())
    await asyncio.wait({over, frozen}, return_when=asyncio.FIRST_COMPLETED)
    for task in (over, frozen):
        task.cancel()
    if freeze.call is None:
        assert len(branches.points) > WRITES
        return
    if stage.status.phase in (None, Phase.FINALIZING) or stage.status.phase.at_rest:
        return  # there is nothing to abort before and after that
    stage.command("abort")
    stage.start()
    await stage.until_phase(Phase.FAILED)
    changes: list[Watched] = []
    stage.cluster.store.listen(changes.append)
    await freeze.thaw()
    assert [each for each in changes if each.ref.kind != EVENT] == [], freeze.call
    assert stage.serving == ["1.0"] * 3
