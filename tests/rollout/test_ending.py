"""Promotion, its failures, the way back, and rest: what the primary runs and when the candidate goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canary.rollout.model import (
    Apex,
    ApexWanted,
    Autoscaler,
    Counts,
    Outcome,
    PrimaryWanted,
    Revision,
    ScalerWanted,
    Stage,
    TargetWanted,
    Trouble,
    World,
)
from canary.rollout.phases import Phase
from meshes.contract import Seen
from tests.rollout.builders import (
    NEW,
    NEWER,
    OLD,
    Told,
    a_plan,
    a_primary,
    a_target,
    a_world,
    answered,
    at,
    at_rest,
    decided,
    told,
    under_test,
    world_under_test,
)

PROMOTING = under_test(
    Phase.PROMOTING,
    step=3,
    weight=50,
    memory_step_weight=50,
    memory_candidate=2,
    memory_ready=2,
    memory_promoted_size=4,
    memory_waiting_since=at(0),
    memory_why="all 4 steps passed",
)
HELD = TargetWanted(replicas=2, held=True)
GONE = TargetWanted(replicas=0, held=False)
GOOD = Counts(total=1000.0, bad=0.0)


def rolling(ready: int, revision: Revision = NEW, **changes: Any) -> World:
    """A world in which the primary rolls to `revision` with so many of its pods ready."""
    primary = a_primary(revision, ready=ready, rolled_out=ready == 4)
    return replace(world_under_test(weight=50, pods=2), **{"primary": primary, **changes})


def test_the_primary_is_given_the_revision_under_test_and_the_canary_keeps_its_weight() -> None:
    decision = decided(PROMOTING, rolling(2))

    assert decision.wanted.primary == PrimaryWanted(key="new", restarted_at="", replicas=4)
    assert (decision.weight, decision.wanted.target) == (50, HELD)
    assert decision.because == "Promoting pin-new: 2 of 4 pods of the primary are ready"


def test_what_was_analysed_is_promoted_though_the_deployment_is_another_by_now() -> None:
    decision = decided(PROMOTING, rolling(2, target=a_target(NEWER, replicas=2, paused=True, pods=2, ready=2)))

    assert decision.wanted.primary == PrimaryWanted(key="new", restarted_at="", replicas=4)
    assert (decision.status.phase, decision.wanted.target) == (Phase.PROMOTING, HELD)


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(rolling(3), id="a pod is not ready"),
        pytest.param(rolling(4, primary=a_primary(NEW, rolled_out=False)), id="an old pod is left"),
        pytest.param(rolling(4, primary=a_primary(OLD)), id="it runs the old revision"),
        pytest.param(rolling(4, primary=a_primary(NEW, replicas=3, ready=3)), id="fewer than before"),
        pytest.param(rolling(4, primary=a_primary(NEW, deleting=True)), id="it is being deleted"),
        pytest.param(rolling(4, primary=None), id="it is not there"),
    ],
)
def test_the_weight_stays_until_the_primary_is_fully_ready(world: World) -> None:
    decision = decided(PROMOTING, world)

    assert (decision.status.phase, decision.weight) == (Phase.PROMOTING, 50)


def test_a_ready_primary_gets_all_traffic_and_the_revision_is_the_stable_one() -> None:
    decision = decided(PROMOTING, rolling(4))

    assert told(decision) == Told(
        phase=Phase.FINALIZING, stage=Stage.CLEARING, weight=0, target=HELD, reasons=("Promoted",)
    )
    assert (decision.status.stable, decision.status.last_failed) == (NEW, "")
    assert decision.status.history[0].message == "Promoted pin-new: all 4 steps passed"
    assert decision.status.history[0].outcome is Outcome.PROMOTED
    assert decision.notices[0].milestone


FINALIZING = under_test(
    Phase.FINALIZING, stable=NEW, weight=0, memory_stage=Stage.CLEARING, memory_candidate=2, memory_why="Promoted"
)
FINALIZING = replace(FINALIZING, memory=replace(FINALIZING.memory, weight_at=at(0), outcome=Outcome.PROMOTED))
DRAINING = rolling(4, split=Seen(weight=0, accepted=True))


@pytest.mark.parametrize(("phase", "rest"), [(Phase.FINALIZING, Phase.SUCCEEDED), (Phase.ROLLING_BACK, Phase.FAILED)])
def test_pods_go_after_weight_0_and_the_drain_and_the_hold_with_them(phase: Phase, rest: Phase) -> None:
    status = replace(FINALIZING, phase=phase)
    gone = replace(DRAINING, target=a_target(NEW))

    assert decided(status, DRAINING, seconds=14).wanted.target == HELD
    assert decided(status, replace(DRAINING, split=Seen(weight=50, accepted=True)), seconds=600).wanted.target == HELD
    assert decided(status, DRAINING, seconds=15).wanted.target == GONE
    assert decided(status, DRAINING, seconds=15).status.phase is phase
    assert decided(status, gone, seconds=16).status.phase is rest


def test_pods_stay_while_no_primary_pod_serves() -> None:
    world = replace(DRAINING, primary=a_primary(NEW, ready=0, rolled_out=False))

    assert decided(FINALIZING, world, seconds=600).wanted.target == HELD


def test_what_came_meanwhile_starts_after_the_end() -> None:
    gone = replace(DRAINING, target=a_target(NEWER))

    rested = decided(FINALIZING, gone, seconds=16)
    begun = decided(rested.status, gone, seconds=16)

    assert (rested.status.phase, rested.again_in) == (Phase.SUCCEEDED, timedelta(0))
    assert (begun.status.phase, begun.status.revision) == (Phase.PROGRESSING, NEWER)


def test_a_promotion_that_misses_its_deadline_is_put_back() -> None:
    late = decided(PROMOTING, rolling(0), seconds=600)

    assert told(late).phase is Phase.ROLLING_BACK
    assert (late.weight, late.wanted.primary) == (0, PrimaryWanted(key="old", restarted_at="", replicas=4))
    assert late.status.history[0].message == (
        "Rolled back pin-new: only 0 of 4 pods of the primary were ready with it within 600 s"
    )


def test_progress_of_the_primary_renews_its_deadline() -> None:
    some = decided(PROMOTING, rolling(2), seconds=500)

    assert decided(some.status, rolling(2), seconds=1099).status.phase is Phase.PROMOTING
    assert decided(some.status, rolling(2), seconds=1100).status.phase is Phase.ROLLING_BACK


def test_failing_fast_ends_a_promotion_and_a_failed_evaluation_does_not() -> None:
    awful, bad = Counts(total=1000.0, bad=500.0), Counts(total=1000.0, bad=50.0)

    assert answered(PROMOTING, rolling(0), awful, GOOD).status.phase is Phase.ROLLING_BACK
    assert answered(PROMOTING, rolling(0), bad, GOOD).status.phase is Phase.PROMOTING
    assert answered(PROMOTING, rolling(0), awful, awful).status.phase is Phase.PROMOTING


def test_failing_pods_of_the_canary_end_a_promotion() -> None:
    crashing = a_target(NEW, replicas=2, paused=True, pods=2, ready=2, trouble=Trouble(restarts=3))

    assert decided(PROMOTING, rolling(0, target=crashing)).status.phase is Phase.ROLLING_BACK


def test_a_revision_that_is_not_stored_is_not_promoted() -> None:
    decision = decided(PROMOTING, rolling(0, revision=OLD, stored=frozenset({"old"})))

    assert (decision.wanted.primary, decision.because) == (None, "Promoting pin-new: its stored template is missing")


def test_nothing_is_wanted_at_rest_and_nothing_wakes() -> None:
    decision = decided(at_rest(), a_world())

    assert told(decision) == Told(phase=Phase.SUCCEEDED, stage=Stage.REST, weight=0, target=None, reasons=())
    assert decision.again_in is None
    again = decided(decision.status, a_world(), seconds=3600)
    assert again.status == decision.status


def test_a_revert_after_a_failure_succeeds() -> None:
    status = at_rest(Phase.FAILED, last_failed="new", revision=NEW, memory_outcome=Outcome.ROLLED_BACK)

    decision = decided(status, a_world())

    assert (told(decision).phase, told(decision).reasons) == (Phase.SUCCEEDED, ("Reverted",))
    assert decision.status.last_failed == "new", "only a promotion clears it"
    assert decision.because == "Reverted: the Deployment is the stable revision pin-old again after pin-new failed"


def test_a_restart_of_the_stable_revision_restarts_the_primary() -> None:
    decision = decided(at_rest(), a_world(target=a_target(replace(OLD, restarted_at="now", pin="pin-again"))))

    assert decision.wanted.primary == PrimaryWanted(key="old", restarted_at="now", replicas=4)
    assert told(decision).reasons == ("Restarted",)
    assert decision.status.stable == replace(OLD, restarted_at="now", pin="pin-again")


def test_a_restart_of_the_failed_revision_stays_failed() -> None:
    status = at_rest(Phase.FAILED, last_failed="new", revision=NEW, memory_why="Rolled back")

    decision = decided(status, a_world(target=a_target(replace(NEW, restarted_at="now"))))

    assert (decision.status.phase, decision.because) == (Phase.FAILED, "Rolled back")


def test_replicas_that_somebody_sets_at_rest_go_back_to_0_and_are_left_alone_after_three_times() -> None:
    status, reasons = at_rest(), []
    for generation in range(2, 6):
        set_up = decided(status, a_world(target=a_target(replicas=2, generation=generation)), seconds=generation)
        reasons.append((set_up.wanted.target, told(set_up).reasons))
        status = decided(set_up.status, a_world(), seconds=generation).status

    back = (TargetWanted(replicas=0), ("ReplicasReset",))
    assert reasons == [back, back, back, (None, ("ReplicasContested",))]


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(a_world(apex=Apex(exists=True, narrow=False, primary_only=False)), id="the apex is wide"),
        pytest.param(a_world(primary=a_primary(ready=0, rolled_out=False)), id="the primary is not ready"),
    ],
)
def test_replicas_at_rest_stay_while_the_users_pods_may_serve(world: World) -> None:
    decision = decided(at_rest(), replace(world, target=a_target(replicas=2, pods=2)))

    assert decision.wanted.target is None


def test_the_apex_is_put_back_and_told_after_three_times_a_day() -> None:
    status, reasons = at_rest(), []
    for hour in range(3):
        wide = a_world(apex=Apex(exists=True, narrow=False, primary_only=False))
        decision = decided(status, wide, seconds=3600 * hour)
        reasons.append((decision.wanted.apex, told(decision).reasons))
        status = decided(decision.status, a_world(), seconds=3600 * hour + 60).status

    assert reasons == [
        (ApexWanted.NARROW, ("ApexWidened",)),
        (ApexWanted.NARROW, ("ApexWidened",)),
        (ApexWanted.NARROW, ("ApexContested",)),
    ]


def test_the_autoscaler_keeps_its_size_while_a_rollout_runs_and_gets_its_own_back_at_rest() -> None:
    scaler = Autoscaler(at_primary=True, floor=2)

    running = decided(under_test(), replace(world_under_test(), autoscaler=scaler)).wanted
    rested = decided(at_rest(), a_world(autoscaler=scaler)).wanted

    assert (running.floor, running.scaler) == (4, ScalerWanted.PRIMARY)
    assert running.primary == PrimaryWanted(key="old", restarted_at="", replicas=None)
    assert (rested.floor, rested.scaler) == (None, ScalerWanted.PRIMARY)


def test_the_autoscaler_may_take_back_what_it_gave_while_the_rollout_ran() -> None:
    scaler = Autoscaler(at_primary=True, floor=4)
    begun = decided(at_rest(), a_world(target=a_target(NEW), autoscaler=scaler))
    grown = replace(world_under_test(), autoscaler=scaler, primary=a_primary(replicas=10, ready=10))
    status = under_test(memory_floor=begun.status.memory.floor)

    promoting = replace(under_test(Phase.PROMOTING), memory=replace(status.memory, promoted_size=10))

    assert (begun.wanted.floor, decided(status, grown).wanted.floor) == (4, 4)
    assert decided(promoting, grown).wanted.floor == 10, "it is promoted with no fewer pods than it had"
    assert decided(promoting, grown).status.memory.floor == 4


def test_a_newer_rollout_begins_with_the_size_that_the_primary_has_by_then() -> None:
    scaler, primary = Autoscaler(at_primary=True, floor=4), a_primary(replicas=10, ready=10)
    grown = a_world(target=a_target(NEW), autoscaler=scaler, primary=primary)

    assert decided(at_rest(memory_floor=4), grown).wanted.floor == 10


def test_the_plans_size_reaches_the_primary() -> None:
    decision = decided(at_rest(), a_world(), a_plan(replicas=7))

    assert decision.wanted.primary == PrimaryWanted(key="old", restarted_at="", replicas=7)
