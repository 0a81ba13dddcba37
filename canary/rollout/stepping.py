"""Progressing and Paused: one function a stage, from the first weight to the promotion or the way back."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from canary.rollout.contests import AGAIN_AND_AGAIN, restless
from canary.rollout.ends import rolling_back
from canary.rollout.evaluating import Judged, judge, judge_recovery, last_step
from canary.rollout.losses import (
    can_be_let_go,
    counted,
    is_unsteady,
    let_go,
    lowered,
    lowered_notice,
    said,
    unsteady_for_long,
    wait_of_steadiness,
)
from canary.rollout.model import Decision, Notice, Result, Side, Stage, Status
from canary.rollout.phases import Phase
from canary.rollout.promoting import promote
from canary.rollout.reasons import Reason
from canary.rollout.situation import Pass, remember, with_weight
from canary.rollout.starting import (
    blocker,
    clear_again,
    clearing,
    prepared,
    preparing,
    scaled,
    superseded,
)
from canary.rollout.values import replace
from canary.rollout.wanted import answer, confirmed, kept_target
from canary.rollout.weights import step_at_or_above
from canary.rollout.windows import step_duration

RESTARTS = 3
PULL_PATIENCE = timedelta(seconds=60)


def progressing(it: Pass) -> Decision:
    """Return what follows in Progressing and in Paused."""
    if it.memory.stage is Stage.CLEARING:
        return _cleared_away(it)
    if it.plan.suspend:
        return _suspended(it)
    changed = superseded(it) or _lost(it) or _widened(it)
    if changed is not None:
        return changed
    trouble = pods_trouble(it)
    if trouble:
        return confirmed(roll_back(it, trouble), Side.CANARY)
    if it.memory.promote_asked and it.target.ready and it.memory.stage is not Stage.PREPARING and not blocker(it):
        return promote(it, it.memory.why or "promote was commanded")
    match it.memory.stage:
        case Stage.PREPARING:
            return _prepare(it)
        case Stage.STEPPING:
            return _step(it)
        case Stage.RECOVERING:
            return _recover(it)
        case Stage.REST | Stage.REPLACING | Stage.LEAVING:
            return clear_again(it, "what was remembered of it does not fit its phase")
        case _:
            assert_never(it.memory.stage)


def roll_back(it: Pass, why: str, notices: tuple[Notice, ...] = ()) -> Decision:
    """Return the answer that takes all traffic back to the primary at once."""
    status, told = rolling_back(it, why)
    decision = clearing(it.on(status))
    return replace(decision, notices=(*notices, *told, *decision.notices))


def pods_trouble(it: Pass) -> str:
    """Return why the candidate's pods end the rollout: restarts, images, the deadline; "" when they do not."""
    trouble = it.target.trouble
    if trouble.restarts >= RESTARTS:
        return f"its pods were restarted {trouble.restarts} times{_because(trouble.because)}"
    if it.passed(trouble.pull_error_since, PULL_PATIENCE):
        seconds = PULL_PATIENCE.total_seconds()
        return f"its image could not be pulled for {seconds:g} s{_because(trouble.because)}"
    waiting = it.memory.waiting_since
    if it.phase is not Phase.PROMOTING and it.target.ready < it.memory.candidate and it.passed(waiting, it.deadline):
        ready = f"{it.target.ready} of {it.memory.candidate} pods"
        return f"only {ready} were ready within {it.deadline.total_seconds():g} s{_because(trouble.because)}"
    unsteady = unsteady_for_long(it) if it.phase is not Phase.PROMOTING else ""
    return f"{unsteady}{_because(trouble.because)}" if unsteady else ""


def _because(words: str) -> str:
    return f" ({words})" if words else ""


def _cleared_away(it: Pass) -> Decision:
    if it.plan.suspend and it.drained:
        return answer(it, it.status, "Suspended with the candidate cleared away", kept_target(it))
    return clearing(it)


def _suspended(it: Pass) -> Decision:
    """Hold all but the weight that ready pods no longer carry."""
    before, it = it.status.weight, it.on(lowered(it))
    it, notices = lowered_notice(it, before, {})
    return answer(it, it.status, f"Suspended at {it.status.weight} %", kept_target(it), notices)


def _lost(it: Pass) -> Decision | None:
    """Answer a hold that was dropped under our feet, and a Deployment that is gone."""
    if it.world.target is None:
        return clear_again(it, "the Deployment is gone")
    if it.target.paused or not can_be_let_go(it):
        return None
    it, notices = let_go(it)
    decision = preparing(it.on(remember(it.status, stage=Stage.PREPARING)))
    return replace(decision, notices=(*notices, *decision.notices))


def _widened(it: Pass) -> Decision | None:
    """Answer an apex that reaches the candidate's pods: wait for the drain time, then clear and start again.

    At once where that happens so often that nothing could be judged: what is not judged may fail every request.
    """
    if restless(it) and not it.memory.promote_asked:
        return clear_again(it, AGAIN_AND_AGAIN)
    if it.memory.wide_since is None:
        return None
    if not it.passed(it.memory.wide_since, it.plan.timing.drain):
        status = lowered(it)
        return answer(it, status, "The Service reaches more than the primary; it is put back", kept_target(it))
    return clear_again(it, "the Service reached more than the primary for longer than the drain time")


def _prepare(it: Pass) -> Decision:
    decision = preparing(it)
    if decision.status.memory.stage is not Stage.PREPARING:
        return decision
    it = it.on(decision.status)
    if not prepared(it):
        return decision
    if it.plan.skip_analysis or it.memory.promote_asked:
        why = "skip-analysis" if it.plan.skip_analysis else it.memory.why or "promote was commanded"
        return _unless_blocked(it, decision) or promote(it, why)
    if is_unsteady(it):
        return decision
    if it.phase is Phase.PAUSED and not it.memory.ceiling:
        return replace(decision, because="Paused with pods ready, at weight 0")
    blocked = _unless_blocked(it, decision)
    if blocked is not None:
        return blocked
    status = _at_step(it.status, it, max(it.status.step, 0))
    return _step(it.on(remember(status, stage=Stage.STEPPING)))


def _unless_blocked(it: Pass, decision: Decision) -> Decision | None:
    why = blocker(it)
    return replace(decision, because=f"Held at {it.status.weight} %: {why}") if why else None


def _at_step(status: Status, it: Pass, step: int) -> Status:
    """Return the status at another step; its weight comes once pods can carry it."""
    steps = it.plan.steps
    weight = steps[min(step, len(steps) - 1)].weight if steps else 100
    return remember(replace(status, step=step), step_weight=weight, pause_done=False)


def _recover(it: Pass) -> Decision:
    it = it.on(scaled(it, 1))
    judged = judge_recovery(it)
    if judged.roll_back:
        return roll_back(it.on(judged.status), judged.roll_back, judged.notices)
    return answer(it, judged.status, judged.because, kept_target(it.on(judged.status)), judged.notices)


def _step(it: Pass) -> Decision:
    """Look at the answers, then at the pods, then go on when the step is over."""
    judged = judge(it)
    it = it.on(judged.status)
    if judged.roll_back:
        return roll_back(it, judged.roll_back, judged.notices)
    if it.memory.stage is Stage.RECOVERING:
        return answer(it, it.status, judged.because, kept_target(it), judged.notices)
    why_not = blocker(it)
    if it.plan.skip_analysis and not why_not:
        return promote(it, "skip-analysis", judged.notices)
    if judged.promote and not why_not and it.phase is Phase.PROGRESSING:
        return promote(it, judged.promote, judged.notices)
    it = it.on(_edited_steps(it))
    if _over(it, judged) and not why_not and it.phase is Phase.PROGRESSING:
        return _go_on(it, judged)
    return _carry(it, judged, why_not)


def _edited_steps(it: Pass) -> Status:
    """Return the status at the first step not below the present one when the steps were edited meanwhile."""
    steps, step, weight = it.plan.steps, it.status.step, it.memory.step_weight
    if not steps or (0 <= step < len(steps) and steps[step].weight == weight):
        return it.status
    found = step_at_or_above(steps, weight)
    status = remember(replace(it.status, step=found), pause_done=False)
    return remember(status, step_weight=max(weight, steps[found].weight))


def desired_weight(it: Pass) -> int:
    """Return the weight that the present step is to have, bounded while paused."""
    weight = it.memory.step_weight
    return weight if it.memory.ceiling is None else min(weight, it.memory.ceiling)


def _over(it: Pass, judged: Judged) -> bool:
    """Return whether the present step lasted its time at its full weight and its newest evaluation lets it end."""
    effective, passed = it.memory.effective_at, it.memory.passed_at
    if effective is None or passed is None or it.status.weight != it.memory.step_weight:
        return False
    return passed - effective >= step_duration(it)


def _go_on(it: Pass, judged: Judged) -> Decision:
    steps = it.plan.steps
    step = steps[it.status.step] if 0 <= it.status.step < len(steps) else None
    if step is not None and step.pause and not it.memory.pause_done:
        return _pause(it, judged)
    if last_step(it):
        return promote(it, f"all {len(steps)} steps passed; {_last_words(it)}", judged.notices)
    it = it.on(_at_step(it.status, it, it.status.step + 1))
    notices = judged.notices
    if judged.thin:
        text = f"Too few requests for a verdict, none bad ({judged.because}): one step up to find more"
        notices = (*notices, Notice(reason=Reason.THIN_EVIDENCE, text=text))
    return _carry(it, replace(judged, notices=notices), "")


def _last_words(it: Pass) -> str:
    return "; ".join(check.because for check in it.status.checks)


def newest(it: Pass) -> str:
    """Return the newest verdicts in words that stay the same until the next: no pass between them writes a status."""
    words = {Result.ERROR: "held", Result.NO_DATA: "no data"}
    return "; ".join(f"{words.get(one.verdict, one.verdict.value)}, {one.because}" for one in it.status.checks)


def _pause(it: Pass, judged: Judged) -> Decision:
    text = f"Paused at {it.status.weight} % by its steps; `resume` lets it go on"
    status = replace(it.status, phase=Phase.PAUSED)
    status = remember(status, ceiling=it.status.weight, paused_by_command=False)
    notice = Notice(reason=Reason.PAUSED, text=text, facts={"weight": f"{it.status.weight} %"})
    return answer(it, status, text, kept_target(it), (*judged.notices, notice))


def _carry(it: Pass, judged: Judged, why_not: str) -> Decision:
    """Give the canary the weight that its ready pods carry: lower at once, higher only with all that it needs."""
    before, since = it.status.weight, it.memory.no_data_since
    it, notices = counted(it, desired_weight(it))
    judged = replace(judged, notices=(*judged.notices, *notices))
    it = it.on(scaled(it.on(lowered(it)), desired_weight(it)))
    if it.status.weight == 0 and before > 0:
        status = remember(it.status, stage=Stage.PREPARING, ready_at=None)
        because = "No pod is ready: weight 0 until they are ready and settled"
        return _told(it.on(status), before, judged, because)
    ready = it.memory.ready_at is not None and it.status.weight < desired_weight(it) and not is_unsteady(it)
    if ready and not why_not and (it.status.weight > 0 or prepared(it)):
        it = it.on(remember(with_weight(it.status, desired_weight(it)), no_data_since=since))
    return _told(it, before, judged, _sentence(it, why_not))


def _told(it: Pass, before: int, judged: Judged, sentence: str) -> Decision:
    notices, weight = judged.notices, it.status.weight
    facts = {"weight": f"{weight} %", "ready pods": str(it.target.ready), "primary": str(it.primary_replicas)}
    if weight > before:
        text = f"Weight raised from {before} to {weight} %, step {it.status.step + 1} of {len(it.plan.steps)}"
        because = judged.because or (newest(it) if before else "")  # the evaluation that let it rise may be passes ago
        text += f": {because}" if because else ""
        advanced = Notice(reason=Reason.WEIGHT_ADVANCED, text=text, facts=facts)
        it, told = said(it, advanced) if it.memory.losses else (it, (advanced,))
    else:
        it, told = lowered_notice(it, before, facts)
    return answer(it, it.status, sentence, kept_target(it), (*notices, *told))


def _sentence(it: Pass, why_not: str) -> str:
    shown = it.status.revision.shown if it.status.revision else "the revision"
    where = f"{shown} at {it.status.weight} %, step {it.status.step + 1} of {len(it.plan.steps)}"
    if it.phase is Phase.PAUSED:
        where = f"Paused, {where}"
    if it.status.weight < desired_weight(it):
        where += f": {it.target.ready} of {it.memory.candidate} pods are ready for {desired_weight(it)} %"
        where += f"; {wait_of_steadiness(it)}" if is_unsteady(it) else ""
    elif it.memory.weight_at is None:
        because = f" ({it.world.split.because})" if it.world.split.because else ""
        where += f": the mesh has not accepted the weight yet{because}"
    elif it.memory.effective_at is None:
        where += f": settling for {it.plan.timing.settle.total_seconds():g} s"
    elif it.status.checks:
        where += f": {newest(it)}"
    return f"{where}; held: {why_not}" if why_not else where
