"""Onboarding, in its order: no step before the one before it is proved, and the user's pods serve until the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.rollout.model import (
    Apex,
    ApexWanted,
    Autoscaler,
    PrimaryWanted,
    ScalerWanted,
    Stage,
    Status,
    Target,
    TargetWanted,
    Trouble,
    Wanted,
    World,
)
from canary.rollout.phases import Phase
from meshes.contract import Seen
from tests.rollout.builders import NEW, OLD, a_plan, a_primary, a_target, a_world, at, at_rest, decided, told

WIDE = Apex(exists=True, narrow=False, primary_only=False)
SERVING = a_target(replicas=4, pods=4, ready=4)
NOTHING = World(
    target=SERVING,
    primary=None,
    split=Seen(weight=None, accepted=False),
    apex=WIDE,
    canary_pin=None,
    stored=frozenset(),
)
BEGUN = replace(NOTHING, primary=a_primary(), stored=frozenset({"old"}), canary_pin=OLD.pin)
ROUTED = replace(BEGUN, split=Seen(weight=0, accepted=True))
STATUS = at_rest(Phase.INITIALIZING, memory_stage=Stage.PREPARING, memory_waiting_since=at(0))
STATUS = replace(STATUS, memory=replace(STATUS.memory, narrowed_at=None, weight_at=None))
NARROWED = replace(STATUS, memory=replace(STATUS.memory, stage=Stage.CLEARING, narrowed_at=at(0), weight_at=at(-60)))
NARROW = a_world(target=SERVING)


def test_first_the_primary_the_route_and_the_canary_service_are_made_beside_the_users_pods() -> None:
    decision = decided(Status(), NOTHING)

    assert decision.status.phase is Phase.INITIALIZING
    assert decision.weight == 0
    assert decision.wanted == Wanted(
        primary=PrimaryWanted(key="old", restarted_at="", replicas=4),
        canary_pin=OLD.pin,
        store=OLD,
        keep=frozenset({"old"}),
    )


@pytest.mark.parametrize(
    ("target", "because"),
    [
        pytest.param(None, "Waits: the Deployment is not there", id="gone"),
        pytest.param(a_target(), "Waits: the Deployment is at 0 replicas", id="at 0"),
        pytest.param(replace(SERVING, paused=True), "Waits: the Deployment is paused by its user", id="paused"),
        pytest.param(
            replace(SERVING, settled=False), "Waits: the Deployment is in the middle of its own roll", id="roll"
        ),
        pytest.param(
            replace(SERVING, revision=replace(OLD, pin="")),
            "Waits: the ReplicaSet of the Deployment's template was not seen yet",
            id="no ReplicaSet",
        ),
    ],
)
def test_nothing_is_touched_while_the_deployment_is_not_ready_for_it(target: Target | None, because: str) -> None:
    decision = decided(Status(), replace(NOTHING, target=target))

    assert (decision.weight, decision.wanted, decision.because) == (None, Wanted(), because)


def test_a_suspended_canary_touches_nothing() -> None:
    decision = decided(Status(), NOTHING, a_plan(suspend=True))

    assert (decision.weight, decision.wanted) == (None, Wanted())


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(replace(ROUTED, primary=a_primary(ready=3, rolled_out=False)), id="the primary is not ready"),
        pytest.param(replace(ROUTED, primary=a_primary(NEW)), id="the primary runs another revision"),
        pytest.param(BEGUN, id="the route is not accepted"),
        pytest.param(replace(ROUTED, canary_pin=None), id="there is no canary Service"),
        pytest.param(replace(ROUTED, target=replace(SERVING, settled=False)), id="the user's pods roll"),
    ],
)
def test_the_apex_stays_wide_until_the_primary_and_the_route_are_proved(world: World) -> None:
    decision = decided(STATUS, world, seconds=300)

    assert (decision.wanted.apex, decision.wanted.target) == (ApexWanted.LEAVE, None)


def test_then_the_apex_is_narrowed_and_nothing_else() -> None:
    decision = decided(STATUS, ROUTED, seconds=30)

    assert (decision.wanted.apex, decision.wanted.target) == (ApexWanted.NARROW, None)
    assert decision.status.memory.stage is Stage.CLEARING


@pytest.mark.parametrize(
    ("world", "seconds", "target"),
    [
        pytest.param(NARROW, 24, None, id="settle and drain are not over"),
        pytest.param(NARROW, 25, TargetWanted(replicas=0), id="they are"),
        pytest.param(replace(NARROW, primary=a_primary(ready=0)), 25, None, id="no primary pod serves"),
        pytest.param(replace(NARROW, apex=WIDE), 600, None, id="the apex is wide again"),
        pytest.param(
            replace(NARROW, apex=Apex(exists=True, narrow=True, primary_only=False)), 600, None, id="slices list others"
        ),
        pytest.param(
            replace(NARROW, autoscaler=Autoscaler(at_primary=False, floor=2)), 25, None, id="the autoscaler first"
        ),
        pytest.param(
            replace(NARROW, autoscaler=Autoscaler(at_primary=True, floor=2)),
            25,
            TargetWanted(replicas=0),
            id="then the Deployment",
        ),
    ],
)
def test_the_users_deployment_goes_to_0_last(world: World, seconds: int, target: TargetWanted | None) -> None:
    assert decided(NARROWED, world, seconds=seconds).wanted.target == target


def test_the_autoscaler_is_retargeted_after_the_drain_with_its_size_held() -> None:
    world = replace(NARROW, autoscaler=Autoscaler(at_primary=False, floor=2))

    early, late = decided(NARROWED, world, seconds=24).wanted, decided(NARROWED, world, seconds=25).wanted

    assert (early.scaler, early.floor) == (ScalerWanted.LEAVE, 4)
    assert (late.scaler, late.floor) == (ScalerWanted.PRIMARY, 4)


def test_at_0_the_canary_is_initialized() -> None:
    decision = decided(NARROWED, a_world(), seconds=30)

    assert (told(decision).phase, told(decision).reasons) == (Phase.INITIALIZED, ("Initialized",))
    assert [(one.type, one.status) for one in decision.status.conditions] == [("Ready", "True"), ("Promoted", "True")]


def test_a_push_before_the_narrowing_rewrites_the_primary() -> None:
    decision = decided(STATUS, replace(ROUTED, target=replace(SERVING, revision=NEW)), seconds=30)

    assert decision.status.stable == NEW
    assert (decision.wanted.primary, decision.wanted.store) == (
        PrimaryWanted(key="new", restarted_at="", replicas=4),
        NEW,
    )
    assert decision.wanted.apex is ApexWanted.LEAVE


def test_a_push_after_the_narrowing_is_the_first_rollout() -> None:
    pushed = replace(NARROW, target=replace(SERVING, revision=NEW))

    narrowed = decided(NARROWED, pushed, seconds=25)
    rested = decided(NARROWED, a_world(target=a_target(NEW)), seconds=30)
    begun = decided(rested.status, a_world(target=a_target(NEW)), seconds=30)

    assert narrowed.wanted.primary == PrimaryWanted(key="old", restarted_at="", replicas=4)
    assert (rested.status.phase, begun.status.phase, begun.status.revision) == (
        Phase.INITIALIZED,
        Phase.PROGRESSING,
        NEW,
    )


def test_a_primary_that_dies_after_the_narrowing_gives_the_traffic_back_to_the_users_pods() -> None:
    decision = decided(NARROWED, replace(NARROW, primary=a_primary(ready=0, rolled_out=False)), seconds=10)

    assert (decision.wanted.apex, decision.wanted.target) == (ApexWanted.WIDE, None)


def test_after_the_deadline_the_condition_names_the_reason_of_the_pods() -> None:
    trouble = Trouble(because="ReplicaFailure: exceeded quota")
    world = replace(ROUTED, primary=a_primary(ready=0, rolled_out=False, trouble=trouble))

    early, late = decided(STATUS, world, seconds=599), decided(STATUS, world, seconds=600)

    assert early.status.conditions[0].reason == "Initializing"
    assert late.status.conditions[0].reason == "PrimaryNotReady"
    assert late.status.conditions[0].message == (
        "0 of 4 pods of the primary are ready: ReplicaFailure: exceeded quota; the user's pods serve"
    )
    assert early.again_in == timedelta(seconds=1)
