"""What people see of a rollout when there is an incoming webhook only, wherever the controller dies."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bounded import MINUTES_S
from tests.scenarios.branches import Branches
from tests.scenarios.slack import WEBHOOK, Office, reason_of
from tests.scenarios.stage import Stage
from tests.scenarios.test_slack import PROMOTED, ROLLED_BACK, promote, roll_back

pytestmark = pytest.mark.looptime

JOURNEYS = {"promotion": (promote, PROMOTED), "rollback": (roll_back, ROLLED_BACK)}


@pytest.fixture
async def office(stage: Stage) -> AsyncIterator[Office]:
    office = Office(stage, settings=WEBHOOK)
    yield office
    await office.close()


async def told(stage: Stage, office: Office, journey: str, branches: Branches | None = None) -> list[str]:
    """Play a journey; return the reasons that were posted of it, in order. A controller dies in each branch."""
    await stage.onboarded()
    await stage.rest(30)
    before = len(office.messages)
    office.calls, office.branches, office.answer_is_lost = 0, branches, True
    await JOURNEYS[journey][0](stage)
    assert (stage.status.telling.letters, stage.status.telling.thread) == ((), None)
    return [reason_of(one) for one in office.messages[before:]]


def reasons(journey: str) -> list[str]:
    return [reason.removesuffix("+") for reason in JOURNEYS[journey][1]]


@pytest.mark.parametrize("journey", JOURNEYS)
async def test_each_transition_is_one_post(stage: Stage, office: Office, journey: str) -> None:
    assert await told(stage, office, journey) == reasons(journey)
    assert office.workspace.limited == 0


@pytest.mark.bound(MINUTES_S)
@pytest.mark.parametrize("journey", JOURNEYS)
async def test_a_controller_that_dies_after_any_post_leaves_all_told_in_order_and_one_twice_at_most(
    stage: Stage, office: Office, branches: Branches, journey: str
) -> None:
    found, wanted, number = await told(stage, office, journey, branches), reasons(journey), office.died_at
    if branches.in_branch:
        assert len(office.lines) == 2, "nobody died"
        assert found in (wanted, [*wanted[:number], *wanted[number - 1 :]])
    else:
        assert (len(branches.points), found) == (len(wanted), wanted)
