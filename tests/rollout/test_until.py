"""Until when a wait lasts: each wait that has a moment tells it, in the same write as its message."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.rollout.model import Apex, NoData, Plan, Stage, Status, World
from canary.rollout.phases import Phase
from canary.rollout.situation import Pass
from canary.rollout.until import waits_until
from meshes.contract import Seen
from tests.rollout.builders import (
    NEW,
    T0,
    a_plan,
    a_primary,
    a_world,
    at,
    at_rest,
    decided,
    under_test,
    world_under_test,
)

PLAN = a_plan()
SETTLE, DRAIN = PLAN.timing.settle.total_seconds(), PLAN.timing.drain.total_seconds()
HOLDS, SUSPENDED = a_plan(no_data=NoData.HOLD), a_plan(suspend=True)


def until(status: Status, plan: Plan = PLAN, world: World | None = None) -> float | None:
    """Seconds from the start of the test to the moment."""
    found = waits_until(
        Pass(plan=plan, status=status, world=world or world_under_test(), now=at(1), began=status.phase)
    )
    return None if found is None else (found - T0).total_seconds()


def onboarding(stage: Stage, **changes: object) -> Status:
    return at_rest(Phase.INITIALIZING, memory_stage=stage, **changes)


NARROWED = onboarding(Stage.CLEARING, memory_narrowed_at=at(0), memory_weight_at=at(0))


def going(phase: Phase, accepted: float) -> Status:
    """At weight 0, which the mesh accepted at that second."""
    return under_test(phase, weight=0, memory_stage=Stage.CLEARING, memory_weight_at=at(accepted))


@pytest.mark.parametrize(
    ("what", "status", "expected"),
    [
        ("a step", under_test(), 60),
        ("settling at a weight", under_test(memory_effective_at=None), SETTLE - 10),
        ("a weight that is not accepted", under_test(memory_weight_at=None, memory_effective_at=None), None),
        ("pods for a weight", under_test(memory_waiting_since=at(0)), 600),
        ("too few requests", under_test(memory_no_data_since=at(0)), 600),
        ("a person", under_test(Phase.PAUSED), None),
        ("the environment", under_test(memory_stage=Stage.RECOVERING, memory_recovering_since=at(0)), 600),
        ("pods", under_test(memory_stage=Stage.PREPARING, memory_ready_at=None, memory_waiting_since=at(0)), 600),
        ("settling of pods", under_test(memory_stage=Stage.PREPARING, memory_ready_at=at(0)), SETTLE),
        ("the primary", under_test(Phase.PROMOTING, memory_waiting_since=at(0)), 600),
        ("the drain", going(Phase.ROLLING_BACK, 0), DRAIN),
        ("a drained candidate", going(Phase.FINALIZING, -600), None),
        ("a wide Service", under_test(memory_wide_since=at(0)), DRAIN),
        ("nothing", at_rest(), None),
        ("a Deployment that is gone", at_rest(memory_target_gone_at=at(0)), 600),
        ("the primary at first", onboarding(Stage.PREPARING, memory_waiting_since=at(0)), None),
        ("a narrowed Service", NARROWED, SETTLE + DRAIN),
        ("who stands in", onboarding(Stage.REPLACING, memory_left_at=at(0)), SETTLE + DRAIN),
        ("leaving", at_rest(memory_stage=Stage.LEAVING, memory_left_at=at(0)), SETTLE + DRAIN),
        ("pods before leaving", at_rest(memory_stage=Stage.LEAVING, memory_left_at=None), None),
    ],
)  # fmt: skip
def test_each_wait_tells_its_moment(what: str, status: Status, expected: float | None) -> None:
    assert until(status) == expected, what


def test_the_primary_is_awaited_for_as_long_as_its_pods_must_be_ready_besides() -> None:
    promoting = under_test(Phase.PROMOTING, memory_waiting_since=at(0))
    primary = a_primary(NEW, ready=1, rolled_out=False, min_ready=timedelta(seconds=300))
    world = world_under_test(primary=primary, split=Seen(weight=None, accepted=False))
    assert until(promoting, world=world) == 600 + 300
    late = decided(replace(promoting, memory=replace(promoting.memory, primary_ready=1)), world, PLAN, 899.5)
    assert (late.status.phase, late.again_in) == (Phase.PROMOTING, timedelta(seconds=0.5))


def test_the_primary_is_awaited_anew_while_none_of_its_pods_is_ready() -> None:
    """And what was ready with the version before, that is ready again, is progress."""
    promoting = under_test(Phase.PROMOTING, memory_waiting_since=at(0), memory_primary_ready=2)
    nowhere = Apex(exists=True, narrow=True, primary_only=False, no_other=True)
    world = world_under_test(primary=a_primary(NEW, ready=0, rolled_out=False), apex=nowhere)
    late = decided(promoting, world, PLAN, 600).status
    assert (late.phase, late.waits_until) == (Phase.PROMOTING, at(600 + 600))
    back = world_under_test(primary=a_primary(NEW, ready=1, rolled_out=False))
    assert decided(late, back, PLAN, 1199).status.waits_until == at(1199 + 600)


def test_patience_without_an_end_has_no_moment() -> None:
    assert until(under_test(memory_no_data_since=at(0)), HOLDS) == 60
    assert until(under_test(memory_stage=Stage.RECOVERING, memory_recovering_since=at(0)), HOLDS) is None


def test_nothing_is_waited_for_while_suspended_but_the_drain() -> None:
    assert until(under_test(), SUSPENDED) is None
    assert until(going(Phase.ROLLING_BACK, 0), SUSPENDED) == DRAIN


def test_a_pass_writes_the_moment_with_its_message_and_the_next_passes_change_nothing() -> None:
    decision = decided(under_test(), world_under_test(), PLAN, 1)
    assert (decision.status.message, decision.status.waits_until) == ("pin-new at 5 %, step 1 of 4", at(60))
    later = decided(decision.status, world_under_test(), PLAN, 9)
    assert later.status == decision.status


def test_the_moment_is_that_of_what_the_pass_itself_led_to() -> None:
    settled = decided(under_test(memory_effective_at=None), world_under_test(), PLAN, 1).status
    assert settled.memory.effective_at is not None
    assert settled.waits_until == settled.memory.effective_at + PLAN.interval


def test_at_rest_no_moment_is_left_over() -> None:
    stale = replace(at_rest(), waits_until=at(5))
    assert decided(stale, a_world(), PLAN, 3600).status.waits_until is None
