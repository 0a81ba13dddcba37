"""Going: opting out, a deleted Canary, a Deployment that is gone, a `-primary` that somebody deletes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.rollout.model import (
    Apex,
    ApexWanted,
    Autoscaler,
    Command,
    CommandName,
    Decision,
    Fault,
    PrimaryWanted,
    Removal,
    ScalerWanted,
    Stage,
    Status,
    TargetWanted,
    Wanted,
    World,
)
from canary.rollout.phases import Phase
from tests.rollout.builders import (
    LONG_AGO,
    NEW,
    a_plan,
    a_primary,
    a_target,
    a_world,
    at,
    at_rest,
    decided,
    told,
    under_test,
    world_under_test,
)

WIDE = Apex(exists=True, narrow=False, primary_only=False)
UNLISTED = replace(WIDE, unlisted="checkout")
LEAVING = a_world(leaving=True)
UP = replace(LEAVING, target=a_target(replicas=4, pods=4, ready=4))
LEFT = at_rest(memory_stage=Stage.LEAVING)


def out(decision: Decision) -> tuple[TargetWanted | None, ApexWanted, ScalerWanted, Removal]:
    """Return what the steps of leaving differ in."""
    wanted = decision.wanted
    return wanted.target, wanted.apex, wanted.scaler, wanted.removal


SIZE = TargetWanted(replicas=4)


@pytest.mark.parametrize(
    ("status", "world", "seconds", "expected"),
    [
        pytest.param(at_rest(), LEAVING, 0, (SIZE, "narrow", "leave", "nothing"), id="the candidate is brought up"),
        pytest.param(LEFT, UP, 5, (SIZE, "wide", "leave", "nothing"), id="then the apex is widened"),
        pytest.param(
            LEFT,
            replace(UP, apex=WIDE, autoscaler=Autoscaler(at_primary=True, floor=2)),
            6,
            (SIZE, "wide", "target", "nothing"),
            id="then the autoscaler put back",
        ),
        pytest.param(
            LEFT, replace(UP, apex=UNLISTED), 600, (SIZE, "wide", "leave", "nothing"), id="then slices list the pods"
        ),
        pytest.param(LEFT, replace(UP, apex=WIDE), 7, (None, "wide", "leave", "route"), id="then the route"),
        pytest.param(
            replace(LEFT, memory=replace(LEFT.memory, left_at=at(0))),
            replace(UP, apex=WIDE),
            24,
            (None, "wide", "leave", "route"),
            id="then the drain",
        ),
        pytest.param(
            replace(LEFT, memory=replace(LEFT.memory, left_at=at(0))),
            replace(UP, apex=WIDE),
            25,
            (None, "wide", "leave", "everything"),
            id="then all of ours goes",
        ),
        pytest.param(
            replace(LEFT, memory=replace(LEFT.memory, left_at=at(0))),
            replace(UP, apex=WIDE, target=a_target(replicas=4, pods=4)),
            600,
            (None, "wide", "leave", "route"),
            id="but not while no pod of the user's is ready",
        ),
        pytest.param(
            replace(LEFT, memory=replace(LEFT.memory, left_at=at(0))),
            replace(UP, apex=UNLISTED),
            600,
            (None, "wide", "leave", "route"),
            id="nor while slices do not list one that is",
        ),
    ],
)
def test_leaving_in_its_order(
    status: Status, world: World, seconds: int, expected: tuple[TargetWanted | None, str, str, str]
) -> None:
    assert out(decided(status, world, seconds=seconds)) == expected


def test_leaving_puts_nothing_unproved_into_service() -> None:
    world = replace(LEAVING, target=a_target(NEW))
    command = Command(name=CommandName.RELEASE, text="release", by="ann")

    waits = decided(at_rest(), world)
    later = decided(waits.status, world, seconds=60)
    released = decided(later.status, replace(world, command=command), seconds=60)

    assert (waits.wanted.target, told(waits).reasons) == (None, ("Leaving", "LeavingWaits"))
    assert told(later).reasons == ()
    assert released.wanted.target == TargetWanted(replicas=4)


def test_a_release_does_not_hold_for_the_next_revision() -> None:
    status = replace(LEFT, memory=replace(LEFT.memory, released="other"))

    decision = decided(status, replace(LEAVING, target=a_target(NEW)))

    assert decision.because == ("Leaving waits: pin-new is unproved; the stable revision or `release` lets it go on")


def test_an_unproved_version_that_has_no_name_yet_is_told_by_its_image() -> None:
    decision = decided(LEFT, replace(LEAVING, target=a_target(replace(NEW, pin=""))))

    assert "another version (app:2) is unproved" in decision.because


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING])
def test_leaving_ends_a_rollout_first(phase: Phase) -> None:
    decision = decided(under_test(phase), replace(world_under_test(), leaving=True))

    assert (told(decision).phase, told(decision).weight, told(decision).reasons) == (
        Phase.ROLLING_BACK,
        0,
        ("RolledBack",),
    )
    assert decision.wanted.removal is Removal.NOTHING


def test_leaving_before_the_narrowing_leaves_the_users_pods_as_they_are() -> None:
    status = at_rest(Phase.INITIALIZING, memory_stage=Stage.PREPARING)

    decision = decided(status, replace(UP, apex=WIDE, target=a_target(NEW, replicas=4, pods=4, ready=4)))

    assert out(decision) == (None, "wide", "leave", "route")


def test_leaving_that_is_taken_back_goes_on_at_rest() -> None:
    decision = decided(LEFT, a_world(target=a_target(replicas=4, pods=4, ready=4)))

    assert (told(decision).phase, told(decision).stage) == (Phase.SUCCEEDED, Stage.REST)
    assert (decision.wanted.apex, decision.wanted.target) == (ApexWanted.NARROW, TargetWanted(replicas=0))


GONE = a_world(target=None)


def test_what_serves_is_kept_for_ten_minutes_after_the_deployment_is_gone() -> None:
    first = decided(at_rest(), GONE)
    late = decided(first.status, GONE, seconds=599)
    over = decided(first.status, GONE, seconds=600)

    assert (told(first).reasons, first.again_in is not None) == (("TargetGone",), True)
    assert (late.wanted.apex, late.wanted.removal) == (ApexWanted.NARROW, Removal.NOTHING)
    assert (late.wanted.primary, late.status.phase) == (
        PrimaryWanted(key="old", restarted_at="", replicas=4),
        Phase.SUCCEEDED,
    )
    assert over.wanted == Wanted(apex=ApexWanted.WIDE, removal=Removal.EVERYTHING)


def test_after_that_the_canary_is_as_new_but_for_its_history() -> None:
    status = at_rest(memory_target_gone_at=at(-600))

    decision = decided(status, replace(GONE, primary=None, canary_pin=None))

    assert (decision.status.phase, decision.status.stable) == (Phase.INITIALIZING, None)


def test_a_deployment_that_comes_back_as_another_revision_starts_a_rollout() -> None:
    status = at_rest(memory_target_gone_at=at(-300))
    back = a_world(target=a_target(NEW, replicas=2, pods=2, ready=2))

    taken = decided(status, back)
    begun = decided(taken.status, a_world(target=a_target(NEW)), seconds=20)

    assert (taken.status.phase, taken.wanted.target) == (Phase.SUCCEEDED, TargetWanted(replicas=0))
    assert begun.status.phase is Phase.PROGRESSING


def test_a_deployment_that_goes_in_mid_rollout_takes_the_weight_to_0() -> None:
    decision = decided(under_test(), world_under_test(target=None))

    assert (decision.weight, decision.status.memory.stage, decision.wanted.target) == (0, Stage.CLEARING, None)


def test_in_a_terminating_namespace_finalizers_are_released_at_once() -> None:
    status = under_test()

    decision = decided(status, replace(world_under_test(), namespace_terminating=True))

    assert (decision.weight, decision.wanted) == (None, Wanted(removal=Removal.RELEASE))
    assert decision.status == status


def test_a_status_of_a_newer_controller_is_held() -> None:
    status = replace(under_test(), version=2)

    decision = decided(status, world_under_test(weight=50))

    assert (decision.status, decision.weight, decision.wanted) == (status, None, Wanted())
    assert decision.because == "A newer controller wrote this status (version 2); this one (1) holds"


def test_a_canary_that_lost_its_target_to_another_touches_nothing() -> None:
    world = a_world(faults=(Fault(reason="TargetConflict", message="Canary shop/mine has the target"),))

    decision = decided(at_rest(), world)

    assert (decision.weight, decision.wanted) == (None, Wanted())
    assert [(one.reason, one.message) for one in decision.status.conditions[:1]] == [
        ("TargetConflict", "Canary shop/mine has the target")
    ]


def test_a_primary_deleted_in_background_is_stood_in_for_by_the_stable_candidate() -> None:
    world = a_world(primary=a_primary(deleting=True))
    up = replace(world, target=a_target(replicas=4, pods=4, ready=4))

    first = decided(at_rest(), world)
    ready = decided(first.status, up, seconds=5)
    wide = decided(ready.status, replace(up, apex=WIDE), seconds=6)
    over = decided(wide.status, replace(up, apex=WIDE), seconds=31)
    anew = decided(over.status, replace(up, apex=WIDE, primary=None), seconds=32)

    assert (first.status.phase, first.wanted.target, told(first).reasons) == (
        Phase.INITIALIZING,
        TargetWanted(replicas=4),
        ("PrimaryDeleted", "Initializing"),
    )
    assert [one.wanted.apex for one in (first, ready, wide)] == ["narrow", "wide", "wide"]
    assert [one.wanted.release_primary for one in (first, ready, wide, over)] == [False, False, False, True]
    assert anew.wanted.primary == PrimaryWanted(key="old", restarted_at="", replicas=4)


@pytest.mark.parametrize(
    ("status", "world"),
    [
        pytest.param(at_rest(), a_world(primary=a_primary(deleting=True, foreground=True)), id="foreground"),
        pytest.param(
            at_rest(Phase.FAILED, last_failed="new", revision=NEW),
            a_world(primary=a_primary(deleting=True), target=a_target(NEW)),
            id="the candidate is not the stable one",
        ),
        pytest.param(under_test(), world_under_test(primary=a_primary(deleting=True)), id="a rollout runs"),
    ],
)
def test_else_it_is_made_again_at_once(status: Status, world: World) -> None:
    decision = decided(status, world)

    assert decision.wanted.release_primary
    assert decision.wanted.primary == PrimaryWanted(key="old", restarted_at="", replicas=4)
    assert (decision.status.phase, decision.notices[0].reason) == (status.phase, "PrimaryDeleted")


def test_a_primary_that_is_not_there_at_rest_is_made_again_with_its_size() -> None:
    decision = decided(at_rest(memory_narrowed_at=LONG_AGO), a_world(primary=None), a_plan())

    assert decision.wanted.primary == PrimaryWanted(key="old", restarted_at="", replicas=4)
