"""Initializing: the primary and the route come into being beside the user's pods, which serve until all is proved."""

from __future__ import annotations

from canary.rollout.model import (
    ApexWanted,
    Decision,
    Notice,
    ScalerWanted,
    Stage,
    Status,
    TargetWanted,
    Wanted,
)
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.replacing import replacing
from canary.rollout.situation import Pass, remember
from canary.rollout.values import replace
from canary.rollout.wanted import answer


def initializing(it: Pass) -> Decision:
    """Return what follows in Initializing, and for a canary that was never looked at.

    Until the narrowing is decided the user's pods serve and a push rewrites the primary; from then on (stage
    CLEARING) it is the first rollout.
    """
    if it.phase is not Phase.INITIALIZING:
        it = it.on(replace(it.status, phase=Phase.INITIALIZING))
    if it.memory.stage is Stage.REPLACING and it.primary is not None:
        return replacing(it)
    at_zero = it.world.target is not None and it.target.replicas == 0
    if it.memory.stage is Stage.CLEARING and (it.primary_serves or at_zero):
        return _narrowed(it)
    if at_zero and it.apex.narrow and it.primary_serves:
        return _narrowed(it.on(remember(it.status, stage=Stage.CLEARING)))
    return _beside(it.on(remember(it.status, stage=Stage.PREPARING, left_at=None)))


def serves_itself(it: Pass) -> bool:
    """Return whether, at rest, the primary is gone and the user's pods serve with nothing stored to make it from."""
    if it.phase is None or not it.phase.at_rest or it.primary is not None or it.apex.narrow:
        return False
    unstored = it.stable_key not in it.world.stored or it.target.revision.key == it.stable_key
    return it.world.target is not None and it.target.replicas > 0 and unstored


def onboarded_again(it: Pass) -> Pass:
    """Return the pass of a canary whose primary is gone while the user's pods serve: it begins anew."""
    return it.on(remember(replace(it.status, phase=Phase.INITIALIZING), stage=Stage.PREPARING, left_at=None))


def adopting_blocker(it: Pass) -> str:
    """Return why the Deployment's present template cannot become the primary's now, "" when it can."""
    target = it.target
    if it.world.target is None:
        return "the Deployment is not there"
    if it.plan.suspend:
        return "suspended"
    if it.blocking_faults():
        return it.blocking_faults()
    if target.paused:
        return "the Deployment is paused by its user"
    if target.replicas == 0:
        return "the Deployment is at 0 replicas"
    if not target.revision.pin:
        return "the ReplicaSet of the Deployment's template was not seen yet"
    if not target.settled:
        return "the Deployment is in the middle of its own roll"
    return ""


def _beside(it: Pass) -> Decision:
    why_not = adopting_blocker(it)
    if it.status.stable is None and why_not:
        because = f"Waits: {why_not}"
        return Decision(status=it.status, weight=None, wanted=Wanted(), because=because)
    if not why_not and not it.apex.narrow:
        it = it.on(_adopted(it))
    if _ready(it) and not why_not:
        return initializing(it.on(remember(it.status, stage=Stage.CLEARING)))
    because = _waits_for(it)
    widen = it.apex.narrow and not it.primary_serves and it.target.ready > 0 and _still(it)
    it, notices = _late(it, because)
    decision = _onboarding(it, because if not why_not else f"Waits: {why_not}", ApexWanted.WIDE if widen else None)
    return replace(decision, notices=notices)


def _late(it: Pass, because: str) -> tuple[Pass, tuple[Notice, ...]]:
    """Tell once that the primary is not ready in time; anew when another one, or the same again, is late."""
    told = it.memory.told
    if not it.primary_late:
        rest = {reason: at for reason, at in told.items() if reason != Reason.PRIMARY_NOT_READY}
        return (it if rest == told else it.on(remember(it.status, told=rest))), ()
    if Reason.PRIMARY_NOT_READY in told:
        return it, ()
    text = f"The primary was not ready within {it.deadline.total_seconds():g} s: {because}"
    it = it.on(remember(it.status, told={**told, Reason.PRIMARY_NOT_READY: it.now}))
    return it, (Notice(reason=Reason.PRIMARY_NOT_READY, text=text, warning=True),)


def _adopted(it: Pass) -> Status:
    """Return the status with the target's revision as the stable one, and its size as the primary's."""
    revision, stable = it.target.revision, it.status.stable
    size = it.plan.replicas if it.plan.replicas is not None else it.target.replicas
    status = it.status if size == it.memory.size else remember(it.status, size=size)
    if stable == revision:
        return status
    return remember(replace(status, stable=revision), waiting_since=it.now)


def _ready(it: Pass) -> bool:
    """Return whether the primary could serve alone: the stable revision, fully ready, the route at 0 accepted."""
    primary, stable = it.primary, it.status.stable
    if primary is None or stable is None or primary.deleting or not it.primary_full:
        return False
    given = primary.key == stable.key and primary.restarted_at == stable.restarted_at
    return given and it.memory.weight_at is not None and it.world.canary_pin is not None


def _waits_for(it: Pass) -> str:
    primary, shown = it.primary, it.status.stable.shown if it.status.stable else "the revision"
    if primary is None:
        return f"The primary of {shown} is being made"
    if not it.primary_full:
        trouble = f": {primary.trouble.because}" if primary.trouble.because else ""
        if primary.replicas == 0:
            return "The primary is at 0 replicas; onboarding waits until it has some"
        return f"{primary.ready} of {primary.replicas} pods of the primary are ready{trouble}; the user's pods serve"
    if it.memory.weight_at is None:
        because = f" ({it.world.split.because})" if it.world.split.because else ""
        return f"The route at 100/0 is not accepted yet{because}"
    return f"The primary is given {shown}"


def _onboarding(
    it: Pass, because: str, apex: ApexWanted | None, target: TargetWanted | None = None, *, retarget: bool = False
) -> Decision:
    decision = answer(it, it.status, because, target)
    scaler = ScalerWanted.PRIMARY if retarget and it.world.autoscaler else ScalerWanted.LEAVE
    wanted = replace(decision.wanted, apex=apex or ApexWanted.LEAVE, scaler=scaler)
    return replace(decision, wanted=wanted)


def _still(it: Pass) -> bool:
    return it.world.target is not None and it.target.revision.key == it.stable_key


def _narrowed(it: Pass) -> Decision:
    """The apex is narrowed; settle and drain; the autoscaler at the primary; then the user's Deployment at 0."""
    why_not = it.blocking_faults() or ("suspended" if it.plan.suspend else "")
    if why_not:
        return _onboarding(it, f"Waits: {why_not}", ApexWanted.NARROW)
    if not it.apex_safe or not it.drained or not it.primary_serves:
        seconds = (it.plan.timing.settle + it.plan.timing.drain).total_seconds()
        because = f"The Service is narrowed to the primary; settling and draining for {seconds:g} s"
        return _onboarding(it, because, ApexWanted.NARROW)
    scaler = it.world.autoscaler
    if scaler is not None and not scaler.at_primary:
        return _onboarding(it, "The autoscaler is pointed at the primary", ApexWanted.NARROW, retarget=True)
    if it.target.replicas:
        zero = TargetWanted(replicas=0, held=False if it.memory.hold else None)
        return _onboarding(it, "The Deployment goes to 0, the primary serves", ApexWanted.NARROW, zero, retarget=True)
    shown = it.status.stable.shown if it.status.stable else "the revision"
    text = f"Initialized: {shown} serves all traffic as the primary"
    status = remember(replace(it.status, phase=Phase.INITIALIZED), stage=Stage.REST, why=text, waiting_since=None)
    notice = Notice(reason=Reason.INITIALIZED, text=text)
    return answer(it, status, text, None, (notice,))
