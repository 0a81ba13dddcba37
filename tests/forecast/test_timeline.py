"""The timeline of a plan: worked out by hand once for the defaults, and as the whole controller runs it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from canary.forecast.simulation import Assumed, NotPromoted, simulated
from canary.forecast.timeline import StepForecast, timeline
from canary.rollout.model import Check, Limit, NoData, Step, Timing
from canary.rollout.phases import Phase
from tests.rollout.builders import a_plan, steps

FOUR = Assumed(primary=4, ready_after=timedelta(seconds=10))
QUEUE = Check(name="queue", query="queue", side=Limit.MAX, limit=5)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_the_default_steps_take_what_settle_scrapes_and_drain_take() -> None:
    """Pods 10 s, settle 10 s; a weight counts 10 s after it is set, on a grid of 5 s; two scrapes abort, four fail."""
    found = timeline(a_plan(), FOUR)
    one = StepForecast(
        number=1,
        weight=5,
        pods=1,
        begins=s(20),
        effective=s(30),
        may_abort=s(60),
        may_fail=s(90),
        ends=s(90),
        held=False,
    )
    assert found.steps[0] == one
    assert [(step.weight, step.pods, step.begins) for step in found.steps] == [
        (5, 1, s(20)),
        (10, 1, s(90)),
        (25, 1, s(160)),
        (50, 2, s(240)),
    ]
    assert (found.promoting, found.serving, found.over) == (s(315), s(355), s(370))
    assert (found.caught, found.caught_after) == (s(60), s(40))


def test_a_step_with_a_time_of_its_own_lasts_so_long_and_a_pause_is_marked() -> None:
    plan = a_plan(steps=(Step(weight=10, duration=timedelta(minutes=5), pause=True), Step(weight=50)))
    first, second = timeline(plan, FOUR).steps
    assert (first.held, first.may_fail, first.ends) == (True, s(90), second.begins)
    assert second.begins >= s(30) + timedelta(minutes=5)


def test_scrapes_lengthen_the_window_and_settle_and_drain_the_ends() -> None:
    slow = a_plan(steps=steps(50), timing=Timing(settle=s(20), drain=s(40), scrape=s(30)))
    found = timeline(slow, FOUR)
    [step] = found.steps
    assert (step.begins, step.effective) == (s(30), s(50))
    assert (step.may_abort, step.may_fail) == (s(50 + 2 * 30), s(50 + 4 * 30))
    assert found.over - found.serving == s(40)


def test_without_analysis_there_are_no_steps() -> None:
    found = timeline(a_plan(skip_analysis=True), FOUR)
    assert (found.steps, found.promoting, found.caught) == ((), s(20), None)


def test_without_a_check_nothing_would_be_noticed() -> None:
    found = timeline(a_plan(checks=()), FOUR)
    assert [(step.may_abort, step.may_fail) for step in found.steps] == [(None, None)] * 4
    assert (found.caught, found.caught_after) == (None, None)


def test_a_check_of_the_users_own_fails_but_never_aborts() -> None:
    found = timeline(a_plan(checks=(QUEUE,), max_failures=2), FOUR)
    first = found.steps[0]
    assert (first.may_abort, first.may_fail) == (None, s(90))
    assert found.caught == s(90 + 60)


def test_what_is_suspended_is_forecast_as_if_it_were_not() -> None:
    assert timeline(a_plan(suspend=True), FOUR) == timeline(a_plan(), FOUR)


def test_a_bigger_primary_needs_more_pods_for_the_same_weight() -> None:
    found = timeline(a_plan(), replace(FOUR, primary=40))
    assert [step.pods for step in found.steps] == [2, 4, 10, 20]


def test_pods_that_take_longer_than_their_deadline_are_told() -> None:
    with pytest.raises(NotPromoted, match="0 of 1 pods were ready within 30 s"):
        timeline(a_plan(progress_deadline=s(30)), replace(FOUR, ready_after=timedelta(minutes=5)))


def test_every_pass_of_a_simulated_rollout_follows_the_one_before() -> None:
    moments = simulated(a_plan(no_data=NoData.HOLD), FOUR)
    assert [one.after for one in moments] == sorted(one.after for one in moments)
    assert all(later.before == earlier.status for earlier, later in pairwise(moments))
    assert moments[-1].status.phase is Phase.SUCCEEDED
