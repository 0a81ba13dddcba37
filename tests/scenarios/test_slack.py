"""What people see in Slack of a rollout, and that it is complete and told once wherever the controller dies."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from itertools import groupby

import pytest

from canary.rollout.phases import Phase
from tests.bounded import MINUTES_S
from tests.scenarios.branches import Branches
from tests.scenarios.slack import Office
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime

PROMOTED = ["RolloutStarted", "WeightAdvanced", "WeightAdvanced", "PromotionStarted", "Promoted+"]
ROLLED_BACK = ["RolloutStarted", "WeightAdvanced", "CheckFailed", "CheckFailed", "CheckFailed", "RolledBack+"]

REPEATING = ("WeightAdvanced", "CheckFailed")
"""They come more than once in a thread anyway."""


@pytest.fixture
async def office(stage: Stage) -> AsyncIterator[Office]:
    office = Office(stage)
    yield office
    await office.close()


async def promote(stage: Stage) -> None:
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    await stage.rest(30)


async def roll_back(stage: Stage) -> None:
    stage.canary_traffic(bad=0.03)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)
    await stage.rest(30)


CALLS = {"promotion": 18, "rollback": 14}
"""How many calls of Slack each makes, each of which is one to die at."""

JOURNEYS = {"promotion": (promote, PROMOTED, "Succeeded"), "rollback": (roll_back, ROLLED_BACK, "Failed")}


def assert_told(office: Office, reasons: list[str], phase: str) -> None:
    """One card with the end on it, its thread complete, nothing waiting any more."""
    [card] = office.cards
    assert office.thread(card) == reasons
    assert f"shop/checkout: {phase}" in card.plain()
    assert office.stage.status.telling.letters == ()


@pytest.mark.parametrize("journey", JOURNEYS)
async def test_a_rollout_is_one_message_with_its_transitions_in_the_thread(
    stage: Stage, office: Office, journey: str
) -> None:
    walk, reasons, phase = JOURNEYS[journey]
    await stage.onboarded()
    await stage.rest(30)
    office.calls = 0
    await walk(stage)
    assert_told(office, reasons, phase)
    assert office.repeats == 0
    assert office.calls == CALLS[journey]
    assert set(office.workspace.calls) == {"chat.postMessage", "chat.update"}
    assert office.workspace.limited == 0


def assert_died(office: Office, branches: Branches, journey: str) -> None:
    """In each branch one controller took another's place; there was a branch for each call."""
    assert len(office.lines) == (2 if branches.in_branch else 1)
    assert branches.in_branch or len(branches.points) == CALLS[journey]


@pytest.mark.bound(MINUTES_S)
@pytest.mark.parametrize("answer_is_lost", [False, True], ids=["answered", "unanswered"])
@pytest.mark.parametrize("journey", JOURNEYS)
async def test_a_controller_that_dies_at_any_call_leaves_the_thread_complete_and_nothing_twice(
    stage: Stage, office: Office, branches: Branches, journey: str, answer_is_lost: bool
) -> None:
    walk, reasons, phase = JOURNEYS[journey]
    await stage.onboarded()
    await stage.rest(30)
    office.calls, office.branches, office.answer_is_lost = 0, branches, answer_is_lost
    await walk(stage)
    assert_died(office, branches, journey)
    assert_told(office, reasons, phase)
    assert office.repeats == 0


@pytest.mark.bound(MINUTES_S)
@pytest.mark.parametrize("journey", JOURNEYS)
async def test_without_the_right_to_read_at_most_one_message_is_there_twice(
    stage: Stage, office: Office, branches: Branches, journey: str
) -> None:
    walk, reasons, _ = JOURNEYS[journey]
    office.workspace.scopes = frozenset({"chat:write"})
    await stage.onboarded()
    await stage.rest(30)
    office.calls, office.branches, office.answer_is_lost = 0, branches, True
    await walk(stage)
    assert_died(office, branches, journey)
    assert office.repeats <= 1
    told = [reason for card in office.cards for reason in office.thread(card)]
    assert [reason for reason, _ in groupby(told) if reason not in REPEATING] == [
        reason for reason in reasons if reason not in REPEATING
    ]
    assert len(told) - len(reasons) in (0, 1)


@pytest.mark.parametrize("seed", range(8))
async def test_through_foul_weather_and_deaths_the_thread_is_complete_and_nothing_is_there_twice(
    stage: Stage, office: Office, seed: int
) -> None:
    walk, reasons, phase = JOURNEYS["promotion" if seed % 2 else "rollback"]
    await stage.onboarded()
    await stage.rest(30)
    office.dice = random.Random(seed)
    office.calls, office.kill_at = 0, 3 + seed
    await walk(stage)
    await stage.rest(600)
    assert_told(office, reasons, phase)
    assert office.repeats == 0
