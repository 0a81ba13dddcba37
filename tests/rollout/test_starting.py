"""From rest to the first weight: what starts a rollout, in which order, and what keeps it from starting."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from canary.rollout.model import Apex, Fault, Outcome, Plan, Stage, Status, TargetWanted, Trouble, World
from canary.rollout.phases import Phase
from meshes.contract import Seen
from tests.rollout.builders import (
    LONG_AGO,
    NEW,
    NEWER,
    OLD,
    Told,
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

PUSHED = a_world(target=a_target(NEW, generation=2))
HELD = TargetWanted(replicas=1, held=True)
GONE = TargetWanted(replicas=0, held=False)


def test_a_push_is_stored_pinned_held_and_scaled_up_in_one_answer() -> None:
    decision = decided(at_rest(), PUSHED)

    assert told(decision) == Told(
        phase=Phase.PROGRESSING, stage=Stage.PREPARING, weight=0, target=HELD, reasons=("RolloutStarted",)
    )
    assert (decision.wanted.store, decision.wanted.canary_pin) == (NEW, NEW.pin)
    assert decision.status.memory.hold
    assert decision.notices[0].milestone
    assert decision.notices[0].text == "Rollout of pin-new (app:2) started, in steps of 5, 10, 25, 50 %; pin-old serves"
    assert decision.because == "pin-new is scaled up: 0 of 1 pods are ready"
    assert decision.again_in == timedelta(minutes=10)
    assert decision.status.target_generation == 2


@pytest.mark.parametrize(
    ("plan", "status", "world", "because"),
    [
        pytest.param(a_plan(suspend=True), at_rest(), PUSHED, "pin-new waits: suspended", id="suspend"),
        pytest.param(
            a_plan(),
            at_rest(),
            replace(PUSHED, faults=(Fault(reason="RouteConflict", message="route web has the host"),)),
            "pin-new waits: route web has the host",
            id="a fault",
        ),
        pytest.param(
            a_plan(),
            at_rest(),
            replace(PUSHED, primary=a_primary(replicas=0, ready=0)),
            "pin-new waits: the primary is at 0 replicas",
            id="the primary at 0",
        ),
        pytest.param(
            a_plan(),
            at_rest(),
            replace(PUSHED, apex=Apex(exists=True, narrow=False, primary_only=False)),
            "pin-new waits: the Service reaches more than the primary's ready pods",
            id="the apex is wide",
        ),
        pytest.param(
            a_plan(),
            at_rest(),
            replace(PUSHED, target=a_target(NEW, paused=True)),
            "pin-new waits: the Deployment is paused by its user",
            id="paused by the user, not by us",
        ),
        pytest.param(
            a_plan(),
            at_rest(),
            replace(PUSHED, target=a_target(replace(NEW, pin=""))),
            "Another version (app:2) waits: the ReplicaSet of the new template was not seen yet",
            id="no pin",
        ),
        pytest.param(
            a_plan(),
            at_rest(),
            replace(PUSHED, target=a_target(NEW, pods=2, other_pods=2)),
            "pin-new waits: 2 pods of the Deployment are still there",
            id="pods of the old template",
        ),
        pytest.param(
            a_plan(),
            at_rest(Phase.FAILED, last_failed="new", revision=NEW),
            PUSHED,
            "pin-new failed before and is not tried again; `retry` gives it a new rollout",
            id="it failed before",
        ),
    ],
)
def test_nothing_starts(plan: Plan, status: Status, world: World, because: str) -> None:
    decision = decided(status, world, plan)

    assert (decision.status.phase, decision.weight, decision.because) == (status.phase, 0, because)
    assert decision.wanted.store is None
    assert decision.status.target_generation == (world.target.generation if status.revision and world.target else 0)


def test_an_invalid_spec_is_told_and_the_last_good_one_goes_on() -> None:
    world = replace(PUSHED, faults=(Fault(reason="InvalidSpec", message="interval: found 'x'"),))

    decision = decided(at_rest(), world)

    assert decision.status.phase is Phase.PROGRESSING
    assert [(one.type, one.status, one.reason) for one in decision.status.conditions] == [
        ("Ready", "False", "InvalidSpec"),
        ("Promoted", "Unknown", "Progressing"),
    ]


PREPARING = under_test(
    step=-1,
    weight=0,
    memory_stage=Stage.PREPARING,
    memory_weight_at=LONG_AGO,
    memory_ready_at=at(0),
    memory_waiting_since=at(-5),
    memory_step_weight=0,
)
READY = world_under_test(weight=0)


@pytest.mark.parametrize(
    ("world", "seconds", "weight"),
    [
        pytest.param(READY, 10, 5, id="ready and settled"),
        pytest.param(READY, 9.9, 0, id="not settled"),
        pytest.param(replace(READY, target=a_target(NEW, replicas=1, pods=1, paused=True)), 10, 0, id="not ready"),
        pytest.param(
            replace(READY, target=a_target(NEW, replicas=1, pods=1, ready=1)), 10, 0, id="the hold was not written"
        ),
        pytest.param(replace(READY, canary_pin=OLD.pin), 10, 0, id="the canary Service selects others"),
        pytest.param(replace(READY, stored=frozenset({OLD.key})), 10, 0, id="the template is not stored"),
        pytest.param(replace(READY, primary=a_primary(replicas=40, ready=40)), 10, 0, id="the primary grew"),
    ],
)
def test_the_first_weight_waits_for_all(world: World, seconds: float, weight: int) -> None:
    assert decided(PREPARING, world, seconds=seconds).weight == weight


def test_skip_analysis_promotes_once_pods_are_ready() -> None:
    decision = decided(PREPARING, READY, a_plan(skip_analysis=True), 10)

    assert told(decision) == Told(
        phase=Phase.PROMOTING, stage=Stage.STEPPING, weight=0, target=HELD, reasons=("PromotionStarted",)
    )


@pytest.mark.parametrize(
    ("trouble", "seconds", "because"),
    [
        pytest.param(
            Trouble(restarts=3, because="app: OOMKilled"),
            0,
            "Rolled back pin-new: its pods were restarted 3 times (app: OOMKilled)",
            id="three restarts",
        ),
        pytest.param(
            Trouble(pull_error_since=at(0)),
            60,
            "Rolled back pin-new: its image could not be pulled for 60 s",
            id="pull",
        ),
        pytest.param(
            Trouble(because="exceeded quota"),
            600,
            "Rolled back pin-new: only 0 of 1 pods were ready within 600 s (exceeded quota)",
            id="deadline",
        ),
    ],
)
def test_pods_in_trouble_end_the_rollout(trouble: Trouble, seconds: float, because: str) -> None:
    status = replace(PREPARING, memory=replace(PREPARING.memory, waiting_since=at(0), ready_at=None))
    world = replace(READY, target=a_target(NEW, replicas=1, pods=1, paused=True, trouble=trouble))

    decision = decided(status, world, seconds=seconds)

    assert decision.status.phase is Phase.ROLLING_BACK
    assert decision.notices[0].text == because
    assert decision.notices[0].reason == "RolledBack"
    assert decision.notices[0].milestone
    assert (decision.status.last_failed, decision.status.history[0].outcome) == ("new", Outcome.ROLLED_BACK)


@pytest.mark.parametrize(
    "trouble",
    [pytest.param(Trouble(restarts=2), id="two restarts"), pytest.param(Trouble(pull_error_since=at(-59)), id="59 s")],
)
def test_less_trouble_does_not(trouble: Trouble) -> None:
    world = replace(READY, target=a_target(NEW, replicas=1, pods=1, paused=True, trouble=trouble))

    assert decided(PREPARING, world).status.phase is Phase.PROGRESSING


def test_a_newer_revision_takes_the_weight_at_once_and_waits_for_the_drain() -> None:
    status, world = under_test(), world_under_test(revision=replace(NEWER, pin=""))

    first = decided(status, world)
    drained = replace(world, split=Seen(weight=0, accepted=True))
    draining = decided(first.status, drained)
    cleared = decided(draining.status, drained, seconds=15)

    assert told(first) == Told(
        phase=Phase.PROGRESSING, stage=Stage.CLEARING, weight=0, target=HELD, reasons=("Superseded",)
    )
    assert first.status.history[0].outcome is Outcome.SUPERSEDED
    assert (draining.wanted.target, draining.again_in) == (HELD, timedelta(seconds=10))
    assert (cleared.wanted.target, cleared.wanted.canary_pin) == (GONE, NEW.pin)
    assert cleared.status.memory.hold, "recorded until it is seen away"


def test_once_cleared_the_newer_revision_begins() -> None:
    status = under_test(weight=0, memory_stage=Stage.CLEARING, memory_outcome=Outcome.SUPERSEDED)
    world = world_under_test(weight=0, target=a_target(NEWER))

    decision = decided(status, world, seconds=15)

    assert told(decision) == Told(
        phase=Phase.PROGRESSING, stage=Stage.PREPARING, weight=0, target=HELD, reasons=("RolloutStarted",)
    )
    assert decision.status.revision == NEWER


def test_a_restart_of_the_revision_under_test_starts_it_again_without_an_end() -> None:
    world = world_under_test(revision=replace(NEW, restarted_at="now", pin=""))

    decision = decided(under_test(failed_checks=1), world)

    assert told(decision) == Told(
        phase=Phase.PROGRESSING, stage=Stage.CLEARING, weight=0, target=HELD, reasons=("RolloutRestarted",)
    )
    assert decision.status.history == ()


def test_config_alone_is_a_newer_revision() -> None:
    decision = decided(under_test(), world_under_test(revision=replace(NEW, config="c2")))

    assert decision.status.memory.stage is Stage.CLEARING
    assert decision.status.history[0].outcome is Outcome.SUPERSEDED


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED])
def test_a_revert_to_the_stable_revision_ends_without_a_failure(phase: Phase) -> None:
    decision = decided(under_test(phase), world_under_test(revision=replace(OLD, pin="")))

    assert told(decision) == Told(
        phase=Phase.FINALIZING, stage=Stage.CLEARING, weight=0, target=HELD, reasons=("Reverted",)
    )
    assert (decision.status.last_failed, decision.status.history[0].outcome) == ("", Outcome.REVERTED)
