"""Who keeps setting back what the controller shares with Git: counted, told, and shown while it goes on.

Shared are the selectors of the Services, the replicas of the Deployment and the target of the autoscaler. What goes on
for long is noted once a minute, so that the other side decides how often it writes, and not how often we write the
status.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from canary.rollout.model import SOMEBODY, Contest, Notice, Status
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.situation import WIDENINGS, Pass, remember

TIMES = WIDENINGS
AGAIN_AND_AGAIN = "the selector of a Service is set back again and again"
WITHIN = timedelta(days=1)
RESETS = 3
RESETS_WITHIN = timedelta(minutes=10)
"""So often may replicas be set at rest before they are left alone."""
NOTED_AGAIN = timedelta(minutes=1)
QUIET = timedelta(hours=1)
"""After so long without another time nobody is said to do it any more."""


def noted(it: Pass, reason: Reason, field: str, by: str) -> Status:
    """Return the status with a field as contested; one that goes on is noted anew once a minute."""
    known = it.memory.contests.get(reason)
    if known is not None and it.now - known.at < NOTED_AGAIN:
        return it.status
    contests = {**it.memory.contests, reason.value: Contest(field=field, by=by, at=it.now)}
    return remember(it.status, contests=contests)


def followed(before: Status, it: Pass, told: dict[str, datetime]) -> tuple[Pass, tuple[Notice, ...]]:
    """Return the pass with what was set back remembered, and what is to be told of the autoscaler.

    `told` is what was said before; it is brought up to date.
    """
    it = it.on(_apex(before, it))
    it = it.on(_replicas(it))
    it, notices = _autoscaler(it, told)
    going_on = {reason: one for reason, one in it.memory.contests.items() if it.now - one.at < QUIET}
    return (it if going_on == it.memory.contests else it.on(remember(it.status, contests=going_on))), notices


def restless(it: Pass) -> bool:
    """Return whether the apex was widened so often of late that no weight lasts until it can be judged.

    Each time that it is narrow again the weight settles anew and its windows begin anew.
    """
    widened, judged_after = it.memory.widened, judgement_takes(it)
    if len(widened) < TIMES or it.now - widened[-1] >= judged_after:
        return False
    return widened[-1] - widened[0] < judged_after * (TIMES - 1)


def judgement_takes(it: Pass) -> timedelta:
    """Return how long a weight lasts until its first evaluation."""
    return it.plan.timing.settle + it.plan.interval


def remedy(reason: str, target: str) -> str:
    """Return what ends a contest."""
    match reason:
        case Reason.APEX_CONTESTED:
            return f"write into Git: `canary.delivery/role: primary` and `canary.delivery/target: {target}` in it"
        case Reason.COMMAND_CONTESTED:
            return "take the annotation `canary.delivery/command` out of what is applied"
        case Reason.AUTOSCALER_CONTESTED:
            return f"write into Git: `name: {target}-primary` in it"
        case _:
            return "take `replicas` out of what is applied, or set it to 0"


def _apex(before: Status, it: Pass) -> Status:
    widened = it.memory.widened
    if widened == before.memory.widened or len(widened) < TIMES:
        return it.status
    return noted(it, Reason.APEX_CONTESTED, f"spec.selector of Service {it.apex.wide}", it.apex.widened_by)


def _replicas(it: Pass) -> Status:
    """Count replicas that somebody set while the candidate was given others; at rest that is the rules' of rest."""
    target, memory = it.target, it.memory
    if it.phase in (None, Phase.INITIALIZING) or it.phase.at_rest or it.world.leaving or not memory.hold:
        return it.status
    ours = target.replicas == memory.candidate or target.sized_by == SOMEBODY
    if ours or target.generation == memory.reset_generation:
        return it.status
    recent = recent_resets(it)
    if len(recent) >= RESETS:
        return noted(it, Reason.REPLICAS_CONTESTED, replicas_of(it), target.sized_by)
    return remember(it.status, resets=(*recent, it.now), reset_generation=target.generation)


def recent_resets(it: Pass) -> tuple[datetime, ...]:
    """Return when replicas were set in the last ten minutes, newest last."""
    return tuple(moment for moment in it.memory.resets if it.now - moment < RESETS_WITHIN)


def replicas_of(it: Pass) -> str:
    """Return the path of the Deployment's replicas, for people."""
    return f"spec.replicas of Deployment {it.plan.target}"


def _autoscaler(it: Pass, told: dict[str, datetime]) -> tuple[Pass, tuple[Notice, ...]]:
    """Count how often the autoscaler was pointed elsewhere after it was at the primary."""
    scaler, memory = it.world.autoscaler, it.memory
    if scaler is None or it.world.leaving or it.world.target is None:
        return _aimed(it, aimed=False), ()
    if scaler.at_primary:
        return _aimed(it, aimed=True), ()
    day = tuple(moment for moment in memory.retargeted if it.now - moment < WITHIN)
    if not memory.aimed or (len(day) >= TIMES and it.now - day[-1] < NOTED_AGAIN):
        return it, ()
    day = (*day, it.now)[-TIMES:]
    it = it.on(remember(it.status, aimed=False, retargeted=day))
    if len(day) >= TIMES:
        field = f"spec.scaleTargetRef of {scaler.name}"
        it = it.on(noted(it, Reason.AUTOSCALER_CONTESTED, field, scaler.aimed_by))
    return it, _told_of_autoscaler(it, told)


def _aimed(it: Pass, *, aimed: bool) -> Pass:
    return it if it.memory.aimed is aimed else it.on(remember(it.status, aimed=aimed))


def _told_of_autoscaler(it: Pass, told: dict[str, datetime]) -> tuple[Notice, ...]:
    """Tell each time until it is called contested; that is said once a day."""
    scaler, said_at = it.world.autoscaler, told.get(Reason.AUTOSCALER_CONTESTED)
    if scaler is None or (said_at is not None and it.now - said_at < WITHIN):
        return ()
    if len(it.memory.retargeted) < TIMES:
        text = f"{scaler.name} was pointed away from {it.plan.target}-primary by {scaler.aimed_by}; it is put back"
        return (Notice(reason=Reason.AUTOSCALER_RESET, text=text, slack=False),)
    told[Reason.AUTOSCALER_CONTESTED] = it.now
    text = (
        f"{scaler.name} was pointed away from the primary {TIMES} times in a day, the last time by {scaler.aimed_by}, "
        f"and is put back each time; write into Git: `name: {it.plan.target}-primary` in its `spec.scaleTargetRef`"
    )
    return (Notice(reason=Reason.AUTOSCALER_CONTESTED, text=text, warning=True),)
