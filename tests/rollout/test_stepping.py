"""Under analysis: what verdicts, readiness, time and edits do to weight, step and phase."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.rollout.model import (
    Answer,
    Apex,
    Counts,
    Fault,
    NoAnswer,
    NoData,
    Outcome,
    Stage,
    Status,
    Step,
    TargetWanted,
)
from canary.rollout.phases import Phase
from tests.rollout.builders import (
    NEW,
    a_plan,
    a_target,
    a_world,
    answered,
    at,
    at_rest,
    decided,
    steps,
    told,
    under_test,
    world_under_test,
)

GOOD = Counts(total=1000.0, bad=0.0)
BAD = Counts(total=1000.0, bad=50.0)
AWFUL = Counts(total=1000.0, bad=500.0)
FEW = Counts(total=9.0, bad=0.0)
DOWN = NoAnswer(because="Prometheus is down")
WORLD = world_under_test()
LAST = under_test(step=3, weight=50, memory_step_weight=50, memory_candidate=2, memory_ready=2)
LAST_WORLD = world_under_test(weight=50, pods=2)


def held(replicas: int) -> TargetWanted:
    return TargetWanted(replicas=replicas, held=True)


@pytest.mark.parametrize(
    ("canary", "primary", "seconds", "phase", "stage", "weight", "failed", "reasons"),
    [
        pytest.param(GOOD, GOOD, 60, "Progressing", "stepping", 10, 0, ["WeightAdvanced"], id="passed"),
        pytest.param(BAD, GOOD, 60, "Progressing", "stepping", 5, 1, ["CheckFailed"], id="failed"),
        pytest.param(BAD, BAD, 60, "Progressing", "recovering", 0, 0, ["EnvironmentFailing"], id="environment"),
        pytest.param(AWFUL, GOOD, 30, "RollingBack", "clearing", 0, 0, ["RolledBack"], id="failing fast"),
        pytest.param(
            AWFUL, AWFUL, 30, "Progressing", "recovering", 0, 0, ["EnvironmentFailing"], id="fast, primary too"
        ),
        pytest.param(AWFUL, GOOD, 29, "Progressing", "stepping", 5, 0, [], id="one scrape is too few"),
        pytest.param(FEW, GOOD, 60, "Progressing", "stepping", 5, 0, ["NoData"], id="no data"),
        pytest.param(DOWN, GOOD, 60, "Progressing", "stepping", 5, 0, ["MetricsUnavailable"], id="error"),
        pytest.param(
            FEW, GOOD, 180, "Progressing", "stepping", 10, 0, ["ThinEvidence", "WeightAdvanced"], id="thin: one step up"
        ),
    ],
)
def test_an_evaluation_in_a_step(
    canary: Answer,
    primary: Answer,
    seconds: int,
    phase: str,
    stage: str,
    weight: int,
    failed: int,
    reasons: list[str],
) -> None:
    decision = answered(under_test(), WORLD, canary, primary, seconds=seconds)

    status = decision.status
    assert (status.phase, status.memory.stage, decision.weight, status.failed_checks) == (phase, stage, weight, failed)
    assert [notice.reason for notice in decision.notices] == reasons
    assert decision.wanted.target == held(1)


def test_failed_evaluations_add_up_to_a_rollback_that_says_why() -> None:
    decision = answered(under_test(failed_checks=2), WORLD, BAD, GOOD)

    assert decision.status.phase is Phase.ROLLING_BACK
    assert [notice.reason for notice in decision.notices] == ["CheckFailed", "RolledBack"]
    assert decision.status.history[0].message == (
        "Rolled back pin-new: 3 failed evaluations, the last: "
        "success-rate is 95 % (at least 99 %): 50 bad of 1000 requests in 60 s"
    )
    assert (decision.status.history[0].outcome, decision.status.last_failed) == (Outcome.ROLLED_BACK, "new")


def test_the_last_step_promotes() -> None:
    decision = answered(LAST, LAST_WORLD, GOOD, GOOD)

    assert told(decision).phase is Phase.PROMOTING
    assert (decision.weight, decision.wanted.target) == (50, held(2))
    assert decision.wanted.primary is not None
    assert decision.wanted.primary.key == "new"
    assert decision.because == (
        "Promotion of pin-new started: all 4 steps passed; "
        "success-rate is 100 % (at least 99 %): 0 bad of 1000 requests in 60 s"
    )


def test_thin_evidence_never_promotes() -> None:
    decision = answered(LAST, LAST_WORLD, FEW, GOOD, seconds=300)

    assert (decision.status.phase, [one.reason for one in decision.notices]) == (Phase.PROGRESSING, ["NoData"])


def test_a_step_lasts_its_own_time() -> None:
    plan = a_plan(steps=(Step(weight=5, duration=timedelta(minutes=3)), Step(weight=50)))

    assert answered(under_test(), WORLD, GOOD, GOOD, plan, 60).weight == 5
    assert answered(under_test(), WORLD, GOOD, GOOD, plan, 180).weight == 5
    world = world_under_test(pods=2)
    assert answered(under_test(), world, GOOD, GOOD, plan, 180).weight == 50


def test_the_patience_of_no_data_does_not_end_while_prometheus_does_not_answer() -> None:
    quiet = under_test(memory_no_data_since=at(0), memory_evaluated_at=at(540))

    assert answered(quiet, WORLD, DOWN, DOWN, seconds=660).status.phase is Phase.PROGRESSING
    assert decided(quiet, WORLD, seconds=660).status.phase is Phase.PROGRESSING
    assert answered(quiet, WORLD, Counts(total=9.0, bad=1.0), GOOD, seconds=660).status.phase is Phase.ROLLING_BACK


NO_DATA_SINCE = under_test(memory_no_data_since=at(0), memory_evaluated_at=at(540))


@pytest.mark.parametrize(
    ("no_data", "status", "seconds", "phase", "weight"),
    [
        pytest.param(NoData.ROLLBACK, NO_DATA_SINCE, 599, "Progressing", 5, id="within the patience"),
        pytest.param(NoData.ROLLBACK, NO_DATA_SINCE, 600, "RollingBack", 0, id="rollback"),
        pytest.param(NoData.HOLD, NO_DATA_SINCE, 6000, "Progressing", 5, id="hold"),
        pytest.param(NoData.PROMOTE, NO_DATA_SINCE, 600, "Promoting", 5, id="promote"),
        pytest.param(
            NoData.PROMOTE,
            replace(NO_DATA_SINCE, phase=Phase.PAUSED),
            600,
            "Paused",
            5,
            id="nothing is promoted while paused",
        ),
        pytest.param(
            NoData.ROLLBACK,
            replace(NO_DATA_SINCE, phase=Phase.PAUSED),
            600,
            "RollingBack",
            0,
            id="rollback while paused",
        ),
    ],
)
def test_the_patience_of_no_data(no_data: NoData, status: Status, seconds: int, phase: str, weight: int) -> None:
    quiet = Counts(total=None, bad=0.0)

    decision = answered(status, WORLD, quiet, quiet, a_plan(no_data=no_data), seconds)

    assert (decision.status.phase, decision.weight) == (phase, weight)


def test_an_error_holds_without_limit_and_is_told_again_hourly() -> None:
    first = answered(under_test(), WORLD, DOWN, DOWN)
    later = answered(first.status, WORLD, DOWN, DOWN, seconds=3600)
    hourly = answered(first.status, WORLD, DOWN, DOWN, seconds=3660)
    back = answered(first.status, WORLD, GOOD, GOOD, seconds=3660)

    assert [one.reason for one in first.notices] == ["MetricsUnavailable"]
    assert (told(later).reasons, told(later).weight, told(hourly).reasons) == ((), 5, ("MetricsUnavailable",))
    assert told(back).reasons == ("MetricsBack", "WeightAdvanced")


RECOVERING = under_test(weight=0, memory_stage=Stage.RECOVERING, memory_recovering_since=at(0), step=2)
RECOVERING = replace(RECOVERING, memory=replace(RECOVERING.memory, environment_count=1))
AT_ZERO = world_under_test(weight=0)


def test_after_an_environment_verdict_the_primary_must_pass_for_one_interval() -> None:
    assert told(answered(RECOVERING, AT_ZERO, GOOD, BAD)).stage is Stage.RECOVERING
    assert told(answered(RECOVERING, AT_ZERO, GOOD, GOOD, seconds=59)).stage is Stage.RECOVERING

    back = answered(RECOVERING, AT_ZERO, GOOD, GOOD)

    assert (told(back).stage, told(back).reasons) == (Stage.PREPARING, ("EnvironmentRecovered",))
    assert (back.status.failed_checks, back.status.step, back.again_in) == (1, 0, timedelta(0))
    assert decided(back.status, AT_ZERO, seconds=75).weight == 5


def test_a_second_environment_verdict_ends_the_rollout() -> None:
    decision = answered(under_test(memory_environment_count=1), WORLD, BAD, BAD)

    assert decision.status.phase is Phase.ROLLING_BACK


@pytest.mark.parametrize(
    ("no_data", "phase"),
    [(NoData.ROLLBACK, "RollingBack"), (NoData.PROMOTE, "RollingBack"), (NoData.HOLD, "Progressing")],
)
def test_an_environment_that_stays_bad_never_promotes(no_data: NoData, phase: str) -> None:
    decision = answered(RECOVERING, AT_ZERO, GOOD, BAD, a_plan(no_data=no_data), 600)

    assert (decision.status.phase, decision.weight) == (phase, 0)


def test_a_pause_step_holds_and_resume_goes_on_at_once() -> None:
    plan = a_plan(steps=steps(5, 10, pause_at=5))

    paused = answered(under_test(), WORLD, GOOD, GOOD, plan)
    still = answered(paused.status, WORLD, GOOD, GOOD, plan, 300)

    assert (told(paused).phase, told(paused).reasons, paused.weight) == (Phase.PAUSED, ("Paused",), 5)
    assert (told(still).phase, still.weight) == (Phase.PAUSED, 5)
    assert answered(still.status, WORLD, AWFUL, GOOD, plan, 330).status.phase is Phase.ROLLING_BACK


WIDE = Apex(exists=True, narrow=False, primary_only=False)


def test_an_apex_that_is_narrow_again_within_the_drain_goes_on_after_a_new_settle() -> None:
    wide = decided(under_test(), replace(WORLD, apex=WIDE), seconds=30)
    again = decided(wide.status, WORLD, seconds=40)
    settled = decided(again.status, WORLD, seconds=50)

    assert (wide.weight, wide.status.memory.stage) == (5, Stage.STEPPING)
    assert (again.weight, again.status.memory.effective_at) == (5, None)
    assert (settled.weight, settled.status.memory.effective_at) == (5, at(50))


def test_an_apex_that_stays_wide_clears_the_candidate_and_starts_again_once_it_is_narrow() -> None:
    world = replace(WORLD, apex=WIDE)
    wide = decided(under_test(), world, seconds=30)
    cleared = decided(wide.status, world, seconds=45)
    gone = world_under_test(weight=0, target=a_target(NEW), apex=WIDE)
    waits = decided(cleared.status, gone, seconds=70)
    begins = decided(waits.status, replace(gone, apex=WORLD.apex), seconds=80)

    assert (cleared.weight, cleared.status.memory.stage) == (0, Stage.CLEARING)
    assert (waits.status.memory.stage, waits.wanted.target) == (Stage.CLEARING, TargetWanted(replicas=0))
    assert (begins.status.memory.stage, begins.wanted.target) == (Stage.PREPARING, held(1))


@pytest.mark.parametrize(
    ("widened", "seconds", "goes_on"),
    [((0, 30, 60), 60, False), ((0, 69, 139), 139, False), ((0, 70, 140), 140, True), ((0, 30, 60), 130, True)],
    ids=["every 30 s", "a second too often for its windows", "seldom enough to be judged between", "over by now"],
)
def test_a_weight_that_is_never_judged_because_the_apex_is_widened_so_often_goes(
    widened: tuple[int, ...], seconds: int, goes_on: bool
) -> None:
    """An interval of 60 s and 10 s to settle: a weight is judged 70 s after the apex was last wide."""
    status = under_test(memory_widened=tuple(at(moment) for moment in widened), memory_weight_at=at(seconds - 5))
    decision = decided(status, WORLD, seconds=seconds)
    begins = decided(at_rest(memory_widened=status.memory.widened), a_world(target=a_target(NEW)), seconds=seconds)

    assert (decision.weight == 5, begins.status.phase is Phase.PROGRESSING) == (goes_on, goes_on)
    assert goes_on or decision.again_in is not None


def test_suspend_holds_all_but_the_weight_that_pods_no_longer_carry() -> None:
    plan = a_plan(suspend=True)

    assert answered(under_test(), WORLD, GOOD, GOOD, plan).weight == 5
    assert decided(LAST, world_under_test(weight=50, pods=1), plan).weight == 25


def test_a_fault_holds_the_weight() -> None:
    world = replace(WORLD, faults=(Fault(reason="RouteConflict", message="another route"),))

    passed = answered(under_test(), world, GOOD, GOOD)

    assert (passed.weight, passed.status.step) == (5, 0)
    assert answered(under_test(), world, AWFUL, GOOD).status.phase is Phase.ROLLING_BACK
