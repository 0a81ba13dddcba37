"""What is asked of Prometheus, and over which windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.rollout.model import Check, Limit, Plan, Question, Side, Stage, Status, World
from canary.rollout.phases import Phase
from canary.rollout.questions import questions
from meshes.contract import Seen
from tests.rollout.builders import (
    NEWER,
    a_plan,
    a_target,
    at,
    at_rest,
    under_test,
    world_under_test,
)

TESTING = world_under_test()


def spans(plan: Plan, status: Status, world: World, seconds: float) -> list[tuple[str, float, float]]:
    """Return side, start and end of each question, in seconds since T0."""
    asked = questions(plan, status, world, at(seconds))
    return [(str(one.side), (one.start - at(0)).total_seconds(), (one.end - at(0)).total_seconds()) for one in asked]


def both(*windows: tuple[float, float]) -> list[tuple[str, float, float]]:
    return [(side, *window) for window in windows for side in ("canary", "primary")]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(29, [], id="one scrape is too little for the fast rule"),
        pytest.param(30, both((0, 30)), id="two scrapes"),
        pytest.param(44.9, both((0, 30)), id="windows end on the grid"),
        pytest.param(60, both((0, 60)), id="the first evaluation has the fast rule's window"),
        pytest.param(75, both((15, 75), (0, 75)), id="the fast rule looks four scrapes back, the step is longer"),
    ],
)
def test_windows_grow_from_the_weight_taking_effect(seconds: float, expected: list[tuple[str, float, float]]) -> None:
    assert spans(a_plan(), under_test(), TESTING, seconds) == expected


def test_between_evaluations_only_the_fast_rule_asks() -> None:
    status = under_test(memory_evaluated_at=at(60))

    assert spans(a_plan(), status, TESTING, 105) == both((45, 105))
    assert spans(a_plan(), status, TESTING, 120) == both((60, 120), (0, 120))


def test_a_window_never_begins_before_the_last_failed_evaluation() -> None:
    status = under_test(memory_evaluated_at=at(60), memory_failed_at=at(60))

    assert spans(a_plan(), status, TESTING, 120) == both((60, 120))
    assert spans(a_plan(), status, TESTING, 135) == both((75, 135), (60, 135))


def test_a_short_interval_waits_for_four_scrapes() -> None:
    plan = a_plan(interval=timedelta(seconds=5))

    assert spans(plan, under_test(), TESTING, 59) == both((0, 45))
    assert spans(plan, under_test(), TESTING, 60) == both((0, 60))


def test_the_end_of_a_step_is_evaluated_though_no_interval_is_over() -> None:
    plan = a_plan(steps=(replace(a_plan().steps[0], duration=timedelta(seconds=90)),))
    status = under_test(memory_evaluated_at=at(60))

    assert spans(plan, status, TESTING, 75) == both((15, 75))
    assert spans(plan, status, TESTING, 90) == both((30, 90), (0, 90))


def test_a_query_of_the_users_own_is_asked_once_and_of_the_primary_only_if_it_names_the_canary() -> None:
    named = Check(name="named", query='sum(lag{pod=~"{{ pods }}"})', side=Limit.MAX, limit=1)
    unnamed = Check(name="unnamed", query="sum(lag)", side=Limit.MAX, limit=1)
    status = under_test(memory_evaluated_at=at(0))

    asked = questions(a_plan(checks=(named, unnamed)), status, TESTING, at(300))

    assert asked == (
        Question(check="named", side=Side.CANARY, start=at(240), end=at(300)),
        Question(check="named", side=Side.PRIMARY, start=at(240), end=at(300)),
        Question(check="unnamed", side=Side.CANARY, start=at(240), end=at(300)),
    )


RECOVERING = under_test(weight=0, memory_stage=Stage.RECOVERING, memory_recovering_since=at(0))


def test_while_recovering_only_the_primary_is_asked() -> None:
    world = world_under_test(weight=0)

    assert spans(a_plan(), RECOVERING, world, 59) == []
    assert spans(a_plan(), RECOVERING, world, 80) == [("primary", 15, 75)]


@pytest.mark.parametrize(
    ("plan", "status", "world"),
    [
        pytest.param(a_plan(), at_rest(), TESTING, id="at rest"),
        pytest.param(a_plan(suspend=True), under_test(), TESTING, id="suspended"),
        pytest.param(a_plan(), under_test(), replace(TESTING, leaving=True), id="leaving"),
        pytest.param(a_plan(), under_test(), replace(TESTING, target=None), id="the Deployment is gone"),
        pytest.param(a_plan(), under_test(), replace(TESTING, target=a_target(NEWER)), id="a newer revision"),
        pytest.param(a_plan(), under_test(), world_under_test(weight=10), id="another split than wanted"),
        pytest.param(
            a_plan(), under_test(), replace(TESTING, split=Seen(weight=5, accepted=False)), id="a split not accepted"
        ),
        pytest.param(a_plan(), replace(under_test(), version=2), TESTING, id="a newer controller's status"),
        pytest.param(a_plan(), under_test(Phase.FINALIZING, weight=0), TESTING, id="finalizing"),
        pytest.param(a_plan(), under_test(memory_stage=Stage.PREPARING), TESTING, id="preparing"),
        pytest.param(a_plan(checks=()), under_test(), TESTING, id="no checks"),
    ],
)
def test_nothing_is_asked(plan: Plan, status: Status, world: World) -> None:
    assert questions(plan, status, world, at(300)) == ()


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING])
def test_checks_go_on_while_paused_and_promoting(phase: Phase) -> None:
    assert spans(a_plan(), under_test(phase), TESTING, 60) == both((0, 60))
