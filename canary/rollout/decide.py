"""One pass: from what is wanted, remembered and true to what is to be true next.

Level-triggered: each answer states the whole wanted state, whatever was or was not done before, so a crash between any
two effects is mended by the next pass. What is done in a phase stands in the module of that phase; what a stage means
in it:

- Initializing: PREPARING the primary beside the user's pods; CLEARING them once the Service is narrow; REPLACING a
  deleted `-primary`.
- Progressing and Paused: CLEARING what was there, PREPARING pods, STEPPING with a weight, RECOVERING at weight 0.
- Promoting: STEPPING, with the weight it had. Finalizing and RollingBack: CLEARING. At rest: REST, or LEAVING.

    [phases] drawn by canary.rollout.diagram
        -            --> Initializing  a Canary appears
        Initializing --> Initialized   the primary serves, the candidate is at 0
        Initialized  --> Progressing   a new revision, or retry
                     --> Initializing  -primary was deleted, leaving was taken back, or the target came anew
        Progressing  --> Paused        a pause step or command
                     --> RollingBack   checks or pods fail, or abort
                     --> Finalizing    the revision is the stable one again
                     --> Promoting     all passed, promote, or skip-analysis
        Paused       --> Progressing   resume, or a newer revision
                     --> RollingBack   checks or pods fail, or abort
                     --> Finalizing    the revision is the stable one again
                     --> Promoting     all passed, promote, or skip-analysis
        Promoting    --> Finalizing    the primary is rolled out and ready
                     --> RollingBack   the primary is late, the canary fails, or abort
        Finalizing   --> Succeeded     drained, the candidate is at 0
        Succeeded    --> Progressing   a new revision, or retry
                     --> Initializing  -primary was deleted, leaving was taken back, or the target came anew
        RollingBack  --> Failed        drained, the candidate is at 0
        Failed       --> Progressing   a new revision, or retry
                     --> Succeeded     the revision is the stable one again
                     --> Initializing  -primary was deleted, leaving was taken back, or the target came anew
    [end of phases]

A Canary can leave from any phase, and stay in any.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from canary.rollout.commands import is_answered, obey
from canary.rollout.conditions import conditions
from canary.rollout.leaving import leaving, taken_back, target_gone_too_long, without_target
from canary.rollout.model import Decision, Plan, Removal, Revision, Side, Stage, Status, Wanted, World
from canary.rollout.onboarding import initializing, onboarded_again, serves_itself
from canary.rollout.phases import Phase
from canary.rollout.replacing import can_stand_in, released, stand_in
from canary.rollout.resting import resting
from canary.rollout.situation import HANDS_OFF, VERSION, Pass, track
from canary.rollout.starting import clearing
from canary.rollout.stepping import progressing
from canary.rollout.taking_over import promoting
from canary.rollout.told import arrived, aside, hands_off
from canary.rollout.until import waits_until
from canary.rollout.values import replace
from canary.rollout.wake import AT_ONCE, again_in
from canary.rollout.wanted import answer, confirmed


def decide(*, plan: Plan, status: Status, world: World, now: datetime) -> Decision:
    """Return what follows. Pure; never raises for any world.

    `world.answers` are to hold what `questions()` asked with the same status; answers to other questions are ignored.
    """
    if status.version > VERSION:
        because = f"A newer controller wrote this status (version {status.version}); this one ({VERSION}) holds"
        return Decision(status=status, weight=None, wanted=Wanted(), because=because)
    if world.namespace_terminating:
        wanted = Wanted(removal=Removal.RELEASE)
        because = "The namespace terminates: finalizers are released"
        return Decision(status=status, weight=None, wanted=wanted, because=because)
    before = Pass(plan=plan, status=status, world=world, now=now, began=status.phase)
    if not world.spec_known:
        return _finished(before, hands_off(before))
    decision = _finished(before, _decided(before))
    return _followed(before, decision)


def _followed(before: Pass, decision: Decision) -> Decision:
    """Return the decision with when to look again: at once when the same world already leads on from the new status."""
    it = before.on(decision.status)
    rest = replace(it, world=replace(it.world, answers={}, command=None), began=it.phase)
    if rest == before:  # this very question was just answered
        return replace(decision, again_in=again_in(it), final=True)
    following = _decided(rest)
    if _where(following.status) != _where(decision.status):
        return replace(decision, again_in=AT_ONCE)
    return replace(decision, again_in=again_in(it), final=_is_same(_finished(rest, following), decision))


def _is_same(following: Decision, decision: Decision) -> bool:
    """Return whether what follows from the new status is what was decided already, and tells nothing new."""
    silent = not (following.notices or following.confirm or decision.drop_command)
    return silent and _effects(following) == _effects(decision)


def _effects(decision: Decision) -> tuple[Status, int | None, Wanted]:
    return decision.status, decision.weight, decision.wanted


def _where(status: Status) -> tuple[Phase | None, int, int, Stage, bool]:
    return status.phase, status.weight, status.step, status.memory.stage, status.memory.hold


def _decided(before: Pass) -> Decision:
    it = track(before)
    it, aside_notices = aside(before.status, it)
    if any(fault.reason == HANDS_OFF for fault in it.world.faults):
        because = it.blocking_faults()
        return Decision(status=it.status, weight=None, wanted=Wanted(), notices=aside_notices, because=because)
    it, command_notices = obey(it)
    decision = _by_situation(it)
    notices = (*aside_notices, *command_notices, *decision.notices)
    return replace(decision, notices=notices, drop_command=is_answered(it))


def _by_situation(it: Pass) -> Decision:
    if target_gone_too_long(it) and (it.status.stable is not None or it.world.leaving):
        return confirmed(without_target(it), Side.CANARY)
    if it.world.leaving and it.world.target is not None:
        return leaving(it)
    if it.memory.stage is Stage.LEAVING and it.world.target is not None:
        it = taken_back(it)
    if can_stand_in(it):
        return stand_in(it)
    if serves_itself(it):
        it = onboarded_again(it)
    decision = _by_phase(it)
    if it.primary is not None and it.primary.deleting and decision.status.memory.stage is not Stage.REPLACING:
        return released(it, decision)
    return decision


def _by_phase(it: Pass) -> Decision:
    match it.phase:
        case None | Phase.INITIALIZING:
            return initializing(it)
        case Phase.INITIALIZED | Phase.SUCCEEDED | Phase.FAILED:
            if it.world.target is None:
                return answer(it, it.status, "The Deployment is gone; what serves is kept for ten minutes")
            return resting(it)
        case Phase.PROGRESSING | Phase.PAUSED:
            return progressing(it)
        case Phase.PROMOTING:
            return promoting(it)
        case Phase.FINALIZING | Phase.ROLLING_BACK:
            return clearing(it)
        case _:
            assert_never(it.phase)


def _finished(before: Pass, decision: Decision) -> Decision:
    """Return the decision with what every status tells: message, conditions, times and generations."""
    status, now = decision.status, before.now
    if status.phase != before.status.phase:
        status = replace(status, last_transition_at=now)
    status = replace(
        status,
        message=decision.because,
        version=VERSION,
        observed_generation=before.world.generation,
    )
    it = before.on(status)
    status = replace(status, waits_until=waits_until(it), conditions=conditions(it, decision.because))
    if status != before.status or not _scaling_up(before):
        status = replace(status, target_generation=_answered_generation(before, status))
    wanted = decision.wanted
    if before.world.target is None:
        wanted = replace(wanted, target=None, store=None)
    notices = (*decision.notices, *arrived(before, status, decision.because))
    return replace(decision, status=status, wanted=wanted, notices=notices)


def _scaling_up(before: Pass) -> bool:
    """Return whether pods of the candidate are awaited: what they lead to tells the generation of the scale-up too."""
    return before.phase is Phase.PROGRESSING and before.target.ready < before.memory.candidate


def _answered_generation(before: Pass, status: Status) -> int:
    target = before.world.target
    if target is None or not _is_one_of(target.revision, status):
        return status.target_generation
    return max(status.target_generation, target.generation)


def _is_one_of(revision: Revision, status: Status) -> bool:
    known = (status.revision, status.stable)
    return any(one is not None and one.key == revision.key for one in known)
