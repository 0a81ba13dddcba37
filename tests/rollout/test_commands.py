"""Each command in each phase: carried out, or refused with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.rollout.model import Command, CommandName, Decision, LastCommand, Outcome, Plan, Stage, Status, World
from canary.rollout.phases import Phase
from tests.rollout.builders import (
    NEW,
    NEWER,
    a_plan,
    a_target,
    a_world,
    at,
    at_rest,
    decided,
    told,
    under_test,
    world_under_test,
)

TESTING = world_under_test()
CLEARED = world_under_test(weight=0)
SITUATIONS: dict[str, tuple[Status, World]] = {
    "new": (Status(), a_world()),
    "Initializing": (at_rest(Phase.INITIALIZING, memory_stage=Stage.CLEARING), a_world()),
    "Initialized": (at_rest(Phase.INITIALIZED), a_world()),
    "Succeeded": (at_rest(), a_world()),
    "Failed": (
        at_rest(Phase.FAILED, last_failed="new", revision=NEW, memory_outcome=Outcome.ROLLED_BACK),
        a_world(target=a_target(NEW)),
    ),
    "Progressing": (under_test(), TESTING),
    "Paused": (under_test(Phase.PAUSED, memory_ceiling=5, memory_paused_by_command=True), TESTING),
    "Promoting": (under_test(Phase.PROMOTING, memory_waiting_since=at(0), memory_promoted_size=4), TESTING),
    "Finalizing": (under_test(Phase.FINALIZING, weight=0, memory_stage=Stage.CLEARING), CLEARED),
    "RollingBack": (under_test(Phase.ROLLING_BACK, weight=0, memory_stage=Stage.CLEARING), CLEARED),
}

CARRIED_OUT = {
    ("promote", "Progressing"): Phase.PROMOTING,
    ("promote", "Paused"): Phase.PROMOTING,
    ("abort", "Progressing"): Phase.ROLLING_BACK,
    ("abort", "Paused"): Phase.ROLLING_BACK,
    ("abort", "Promoting"): Phase.ROLLING_BACK,
    ("pause", "Progressing"): Phase.PAUSED,
    ("resume", "Paused"): Phase.PROGRESSING,
    ("retry", "Failed"): Phase.PROGRESSING,
}

REFUSALS = {
    "new": "the canary is being set up",
    "Initializing": "the canary is being set up",
    "Initialized": "no rollout runs",
    "Succeeded": "no rollout runs",
    "Failed": "no rollout runs",
    "Promoting": "the promotion is under way",
    "Finalizing": "all traffic is at the primary",
    "RollingBack": "the rollout is being rolled back",
}
OTHER_REFUSALS = {
    ("abort", "Finalizing"): "it is too late",
    ("pause", "Paused"): "it is paused already",
    ("resume", "Progressing"): "it is not paused",
    ("retry", "Initialized"): "the Deployment's revision did not fail",
    ("retry", "Succeeded"): "the Deployment's revision did not fail",
    ("retry", "Progressing"): "a rollout runs",
    ("retry", "Paused"): "a rollout runs",
    ("retry", "Promoting"): "a rollout runs",
    ("retry", "Finalizing"): "a rollout runs",
    ("retry", "RollingBack"): "a rollout runs",
}


def commanded(
    name: CommandName | None, situation: str, plan: Plan | None = None, *, with_template: bool = False
) -> Decision:
    status, world = SITUATIONS[situation]
    command = Command(name=name, text=str(name), by="ann", with_template=with_template, id="1")
    return decided(status, replace(world, command=command), plan)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("name", CommandName)
def test_each_command_in_each_phase(name: CommandName, situation: str) -> None:
    decision = commanded(name, situation)

    warnings = [notice.text for notice in decision.notices if notice.reason == "CommandRefused"]
    expected = CARRIED_OUT.get((str(name), situation))
    assert decision.drop_command
    tested = SITUATIONS[situation][0].revision
    shown = tested.shown if tested else ""
    carried_out = LastCommand(name=name, revision=shown, at=at(0), by="ann") if expected is not None else None
    assert decision.status.last_command == carried_out
    if expected is not None:
        assert (decision.status.phase, warnings) == (expected, [])
    elif name is CommandName.RELEASE:
        assert warnings == ["`release` is refused: the Canary is not leaving"]
    else:
        assert len(warnings) == 1
        reason = OTHER_REFUSALS.get((str(name), situation)) or REFUSALS[situation]
        assert warnings[0].startswith(f"`{name}` is refused: {reason}")


def test_a_refused_command_changes_nothing_else() -> None:
    status, world = SITUATIONS["Progressing"]

    plain, refused = decided(status, world), commanded(CommandName.RESUME, "Progressing")

    assert told(replace(refused, notices=())) == told(plain)


def test_a_word_that_is_no_command_is_refused_with_those_that_are() -> None:
    decision = commanded(None, "Progressing")

    assert decision.notices[0].text == (
        "`None` is refused: it is no command; known are `promote`, `abort`, `pause`, `resume`, `retry`, `release`"
    )
    assert decision.status.last_command is None


def test_a_command_that_came_with_a_template_is_refused() -> None:
    decision = commanded(CommandName.ABORT, "Progressing", with_template=True)

    assert (decision.status.phase, told(decision).reasons) == (Phase.PROGRESSING, ("CommandRefused",))


def test_a_command_is_carried_out_once_though_its_annotation_stays() -> None:
    _, world = SITUATIONS["Progressing"]
    first = commanded(CommandName.PAUSE, "Progressing")
    command = Command(name=CommandName.PAUSE, text="pause", by="ann", id="1")

    again = decided(first.status, replace(world, command=command), seconds=1)
    anew = decided(first.status, replace(world, command=replace(command, id="2")), seconds=1)

    assert (told(again).reasons, again.drop_command) == ((), True)
    assert told(anew).reasons == ("CommandRefused",)


def test_a_retry_is_not_repeated_when_its_annotation_outlives_the_rollout() -> None:
    first = commanded(CommandName.RETRY, "Failed")
    status = replace(first.status, phase=Phase.FAILED, memory=replace(first.status.memory, stage=Stage.REST, retry=""))
    command = Command(name=CommandName.RETRY, text="retry", by="ann", id="1")

    decision = decided(status, a_world(target=a_target(NEW), command=command), seconds=900)

    assert (decision.status.phase, decision.drop_command) == (Phase.FAILED, True)


def test_abort_acts_while_suspended() -> None:
    decision = commanded(CommandName.ABORT, "Progressing", a_plan(suspend=True))

    assert (decision.status.phase, decision.weight) == (Phase.ROLLING_BACK, 0)


@pytest.mark.parametrize("name", [CommandName.PROMOTE, CommandName.RETRY])
def test_nothing_is_started_or_advanced_while_suspended(name: CommandName) -> None:
    situation = "Failed" if name is CommandName.RETRY else "Progressing"

    decision = commanded(name, situation, a_plan(suspend=True))

    assert decision.notices[0].text == f"`{name}` is refused: suspended"


def test_promote_is_refused_when_a_newer_revision_has_come() -> None:
    status, world = under_test(), world_under_test(revision=NEWER)
    command = Command(name=CommandName.PROMOTE, text="promote", by="ann")

    decision = decided(status, replace(world, command=command))

    assert told(decision).reasons == ("CommandRefused", "Superseded")


def test_promote_before_pods_are_ready_waits_for_them() -> None:
    status = under_test(weight=0, step=-1, memory_stage=Stage.PREPARING, memory_ready_at=None)
    starting = world_under_test(weight=0, target=a_target(NEW, replicas=1, paused=True, pods=1))
    command = Command(name=CommandName.PROMOTE, text="promote", by="ann")

    asked = decided(status, replace(starting, command=command))
    ready = decided(asked.status, CLEARED, seconds=5)
    settled = decided(ready.status, CLEARED, seconds=15)

    assert [one.status.phase for one in (asked, ready, settled)] == [
        Phase.PROGRESSING,
        Phase.PROGRESSING,
        Phase.PROMOTING,
    ]


def test_a_pause_before_the_first_weight_keeps_it_at_0_until_resume() -> None:
    status = under_test(weight=0, step=-1, memory_stage=Stage.PREPARING)
    pause = Command(name=CommandName.PAUSE, text="pause", by="ann", id="1")
    resume = Command(name=CommandName.RESUME, text="resume", by="ann", id="2")

    paused = decided(status, replace(CLEARED, command=pause))
    later = decided(paused.status, CLEARED, seconds=600)
    resumed = decided(later.status, replace(CLEARED, command=resume), seconds=600)

    assert [(one.status.phase, one.weight) for one in (paused, later, resumed)] == [
        (Phase.PAUSED, 0),
        (Phase.PAUSED, 0),
        (Phase.PROGRESSING, 5),
    ]


def test_aborting_while_a_superseded_rollout_is_cleared_ends_the_one_that_waits() -> None:
    status = under_test(weight=0, memory_stage=Stage.CLEARING, memory_outcome=Outcome.SUPERSEDED)
    world = world_under_test(weight=0, revision=NEWER)
    command = Command(name=CommandName.ABORT, text="abort", by="ann")

    decision = decided(status, replace(world, command=command))

    assert (decision.status.phase, decision.status.last_failed) == (Phase.ROLLING_BACK, NEWER.key)
    assert decision.status.history[0].revision == NEWER.shown
    assert decision.wanted.canary_pin is None, "not before the drain"
