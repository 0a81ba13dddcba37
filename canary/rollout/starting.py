"""From a new revision to its first weight: clearing what was there, then stored, pinned, held, scaled up and ready."""

from __future__ import annotations

from canary.rollout.contests import AGAIN_AND_AGAIN, restless
from canary.rollout.ends import closed, end_notice, reverted, rolling_back
from canary.rollout.losses import counted, is_unsteady, wait_of_steadiness
from canary.rollout.model import Decision, Notice, Outcome, Revision, Stage, Status
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.situation import Pass, remember, with_weight
from canary.rollout.values import replace
from canary.rollout.wanted import answer, cleared_target, kept_target, may_clear, size_ahead
from canary.rollout.weights import capacity


def blocker(it: Pass) -> str:
    """Return why nothing may start or advance now, "" when it may."""
    faults = it.blocking_faults()
    if it.world.target is None:
        return "the Deployment is gone"
    if it.plan.suspend:
        return "suspended"
    if faults:
        return faults
    if it.primary is None or it.primary.deleting:
        return "the primary is being made again"
    if it.primary.replicas == 0:
        return "the primary is at 0 replicas"
    if not (it.apex.narrow and it.apex.primary_only):
        if it.apex.leads_nowhere:
            return "the Service reaches no ready pod of the primary"
        return "the Service reaches more than the primary's ready pods"
    return ""


def start_blocker(it: Pass) -> str:
    """Return why the present revision cannot come under analysis now, "" when it can."""
    if it.target.paused and not it.memory.hold:
        return "the Deployment is paused by its user"
    if not it.target.revision.pin:
        return "the ReplicaSet of the new template was not seen yet"
    if not it.primary_serves:
        return blocker(it) or "the primary has no ready pods"
    return blocker(it) or (AGAIN_AND_AGAIN if restless(it) else "")


def first_weight(it: Pass) -> int:
    """Return the weight of the step that comes once the candidate is ready: the first, or the one it stood at."""
    steps = it.plan.steps
    if not steps:
        return 100
    return steps[min(max(it.status.step, 0), len(steps) - 1)].weight


def superseded(it: Pass) -> Decision | None:
    """Return what follows when the Deployment is no longer what is under analysis, None when it still is."""
    target, tested = it.target.revision, it.status.revision
    if tested is None or it.world.target is None:
        return None
    if target.key == tested.key:
        same_pods = target.restarted_at == tested.restarted_at and target.pin in ("", tested.pin)
        if same_pods and it.target.stale:
            return clear_again(it, "its configuration was changed since its pods started")
        return None if same_pods else clear_again(it, "its pods are restarted")
    if target.key == it.stable_key:
        status, notices = reverted(it)
        return replace(clearing(it.on(status)), notices=notices)
    why = f"Superseded: {_name(target)} came while {tested.shown} was at {it.status.weight} %"
    notices = tuple(replace(notice, milestone=True) for notice in end_notice(it, Outcome.SUPERSEDED, why))
    decision = clearing(it.on(_from_the_start(it.on(closed(it, Outcome.SUPERSEDED, why)))))
    return replace(decision, notices=notices + decision.notices)


def clear_again(it: Pass, why: str) -> Decision:
    """Return the answer that takes the same rollout back to its start: weight 0, drain, candidate 0, from step 0."""
    shown = it.status.revision.shown if it.status.revision else "the revision"
    text = f"{shown} starts again from weight 0: {why}"
    notice = Notice(reason=Reason.ROLLOUT_RESTARTED, text=text, warning=True)
    decision = clearing(it.on(_from_the_start(it)))
    return replace(decision, notices=(notice, *decision.notices))


def _from_the_start(it: Pass) -> Status:
    status = replace(with_weight(it.status, 0), phase=Phase.PROGRESSING, step=-1)
    return remember(
        status,
        stage=Stage.CLEARING,
        ceiling=None,
        paused_by_command=False,
        pause_done=False,
        promote_asked=False,
        recovering_since=None,
    )


def clearing(it: Pass) -> Decision:
    """Weight 0, drain, then the candidate at 0 and the hold away; then on to what the Deployment is by then."""
    status = with_weight(it.status, 0)
    it = it.on(status)
    if it.memory.hold and it.target.replicas == 0 and not it.target.paused:
        status = remember(status, hold=False, candidate=0)
        it = it.on(status)
    pods = it.target.pods if it.phase is Phase.PROGRESSING else 0
    if it.target.replicas or pods or it.memory.hold:
        if not may_clear(it):
            return answer(it, status, f"{_purpose(it)}: {_wait_of_drain(it)}", kept_target(it))
        return answer(it, status, f"{_purpose(it)}: the candidate goes to 0", cleared_target(it))
    return cleared(it)


def cleared(it: Pass) -> Decision:
    """Go on where a cleared candidate allows it: rest after an end, else the revision that the Deployment is now."""
    match it.phase:
        case Phase.FINALIZING | Phase.ROLLING_BACK if it.began is not it.phase:
            return answer(it, it.status, it.memory.why, cleared_target(it))
        case Phase.FINALIZING:
            return answer(it, _rested(it, Phase.SUCCEEDED), it.memory.why or "Succeeded")
        case Phase.ROLLING_BACK:
            return answer(it, _rested(it, Phase.FAILED), it.memory.why or "Failed")
        case _:
            return _next_revision(it)


def _rested(it: Pass, phase: Phase) -> Status:
    status = replace(it.status, phase=phase)
    return remember(status, stage=Stage.REST, candidate=0, ready=0, ready_at=None, waiting_since=None)


def _next_revision(it: Pass) -> Decision:
    key = it.target.revision.key
    if it.world.target is not None and key == it.stable_key:
        status, notices = reverted(it)
        return replace(clearing(it.on(status)), notices=notices)
    if it.world.target is not None and key == it.status.last_failed and key != it.memory.retry:
        it = it.on(replace(it.status, revision=it.target.revision))
        status, notices = rolling_back(it, "it failed before and is not tried again unasked")
        return replace(clearing(it.on(status)), notices=notices)
    why_not = start_blocker(it)
    if why_not:
        return answer(it, it.status, f"{_name(it.target.revision)} waits: {why_not}", cleared_target(it))
    return begin(it)


def begin(it: Pass) -> Decision:
    """Bring the Deployment's present revision under analysis: recorded here, stored, pinned, held, scaled up."""
    revision = it.target.revision
    again = it.tested_key == revision.key and it.phase == Phase.PROGRESSING and it.memory.outcome is None
    status = replace(
        it.status,
        phase=Phase.PROGRESSING,
        revision=revision,
        step=-1,
        failed_checks=0,
        checks=(),
        started_at=it.status.started_at if again and it.status.started_at else it.now,
        highest_weight=0,
    )
    status = remember(
        status,
        stage=Stage.PREPARING,
        outcome=None,
        why="",
        hold=True,
        candidate=0,
        ready=0,
        ready_at=None,
        losses=0,
        unsteady_since=None,
        environment_count=0,
        recovering_since=None,
        promote_asked=False,
        floor=it.memory.floor if again else None,
        waiting_since=it.now,
        step_weight=0,
        ceiling=None,
        paused_by_command=False,
        pause_done=False,
        no_data_since=None,
        error_told_at=None,
        wide_since=None,
    )
    decision = preparing(it.on(status))
    return decision if again else replace(decision, notices=(_started(it, revision), *decision.notices))


def _started(it: Pass, revision: Revision) -> Notice:
    stable = it.status.stable.shown if it.status.stable else "nothing"
    weights = ", ".join(str(step.weight) for step in it.plan.steps)
    path = "as soon as its pods are ready" if it.plan.skip_analysis else f"in steps of {weights} %"
    text = f"Rollout of {_name(revision)} started, {path}; {stable} serves"
    facts = {"revision": revision.shown, "image": revision.image, "stable": stable, "steps": weights}
    return Notice(reason=Reason.ROLLOUT_STARTED, text=text, milestone=True, facts=facts)


def scaled(it: Pass, weight: int) -> Status:
    """Return the status with a candidate that can carry `weight`, with the clock of its pods kept."""
    memory = it.memory
    need = max(memory.candidate, capacity(size_ahead(it), weight))
    ready = it.target.ready
    waiting = memory.waiting_since
    if need > memory.candidate or (ready < need and waiting is None):
        waiting = it.now
    elif ready >= need:
        waiting = None
    ready_at = (memory.ready_at or it.now) if ready >= capacity(size_ahead(it), weight) else None
    return remember(it.status, candidate=need, waiting_since=waiting, ready_at=ready_at, ready=ready)


def preparing(it: Pass) -> Decision:
    """Stored, pinned, held and scaled up; ready and listed; settled; then the first weight."""
    target = it.target
    if not target.paused and target.other_pods:
        return clear_again(it, "pods of another template came up")
    it, notices = counted(it, first_weight(it))
    it = it.on(scaled(it, first_weight(it)))
    if not target.paused:  # ready is what is held: a hold that somebody took away is one loss, however late it is back
        it = it.on(remember(it.status, ready_at=None))
    return answer(it, it.status, _wait_of_pods(it), kept_target(it), notices)


def prepared(it: Pass) -> bool:
    """Return whether the candidate may carry its first weight: stored, pinned, held, ready and settled."""
    revision = it.status.revision
    if revision is None or revision.key not in it.world.stored or it.world.canary_pin != revision.pin:
        return False
    return it.target.paused and it.passed(it.memory.ready_at, it.plan.timing.settle)


def _wait_of_pods(it: Pass) -> str:
    name, need = _shown(it), capacity(it.primary_replicas, first_weight(it))
    if it.target.ready >= need and not it.target.paused:
        return f"{name} has its {need} pods ready; they are to be held by `spec.paused` first"
    if it.memory.ready_at is None:
        trouble = f": {it.target.trouble.because}" if it.target.trouble.because else ""
        return f"{name} is scaled up: {it.target.ready} of {need} pods are ready{trouble}"
    if is_unsteady(it):
        return f"{name} has its {need} pods ready; {wait_of_steadiness(it)}"
    return f"{name} has its {need} pods ready and settles for {it.plan.timing.settle.total_seconds():g} s"


def _wait_of_drain(it: Pass) -> str:
    if it.memory.weight_at is None:
        return f"weight 0 is not accepted yet{_said(it)}"
    if not it.drained:
        return f"weight 0, draining for {it.plan.timing.drain.total_seconds():g} s"
    return "the candidate stays until ready primary pods serve the Service alone"


def _said(it: Pass) -> str:
    return f" ({it.world.split.because})" if it.world.split.because else ""


def _purpose(it: Pass) -> str:
    match it.phase:
        case Phase.FINALIZING | Phase.ROLLING_BACK:
            return it.memory.why or str(it.phase)
        case _:
            return f"{_name(it.target.revision)} waits for its start"


def _shown(it: Pass) -> str:
    return it.status.revision.shown if it.status.revision else "the revision"


def _name(revision: Revision) -> str:
    return f"{revision.shown} ({revision.image})" if revision.image and revision.pin else revision.named
