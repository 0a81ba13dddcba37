"""A status that cannot be read is reported, and the split that is there is held."""

from __future__ import annotations

import pytest

from canary.ports import CANARY, EVENT
from tests.builders import ref
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime


async def test_an_unreadable_status_is_told_once_and_the_split_is_held(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")

    with stage.watch.blind():
        stage.cluster.edit(ref(CANARY), {"status": {"memory": {"weight": "much"}}}, subresource="status")
        stage.push("3.0")
        await stage.rest()
        told = [one for one in stage.cluster.store.list(EVENT) if one["reason"] == "StatusUnreadable"]
        split = stage.weight
        stage.cluster.edit(ref(CANARY), {"status": {"memory": {"weight": 20}}}, subresource="status")
        await stage.rest(1)

    assert (len(told), told[0]["type"], split) == (1, "Warning", 20)
    assert "the status cannot be read" in told[0]["message"]
