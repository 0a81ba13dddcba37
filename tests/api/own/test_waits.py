"""`canary wait` against the real controller on a real control plane."""

from __future__ import annotations

import pytest

from canary.cli.awaited import Result
from canary.errors import NotFound
from tests.api.harness import Harness
from tests.api.side_by_side import scene
from tests.api.waiting import waited

pytestmark = pytest.mark.xdist_group("api-scenes")


@scene
async def test_promotion_and_time_that_is_up(it: Harness) -> None:
    await it.onboarded(steps="20,40")
    assert (await waited(it)).result is Result.PROMOTED

    await it.push("2.0", steps="20,40")
    assert (await waited(it, 1)).result is None
    said: list[str] = []
    standing = await waited(it, said=said)
    assert (standing.result, it.serving()) == (Result.PROMOTED, ("2.0", 3))
    assert any(line.startswith("Progressing, 20 %: ") for line in said), said


@scene
async def test_a_name_that_is_not_there_is_told_at_once(it: Harness) -> None:
    with pytest.raises(NotFound, match="there is no Canary "):
        await waited(it, name="chekout")
