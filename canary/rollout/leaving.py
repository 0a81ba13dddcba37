"""A Canary that goes: the user's Deployment takes its traffic back before anything that serves is taken away."""

from __future__ import annotations

from canary.rollout.ends import rolling_back
from canary.rollout.model import (
    ApexWanted,
    Decision,
    Notice,
    Removal,
    ScalerWanted,
    Stage,
    Status,
    TargetWanted,
    Wanted,
)
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.resting import target_at_rest
from canary.rollout.situation import TARGET_PATIENCE, Pass, remember
from canary.rollout.starting import clearing
from canary.rollout.values import replace
from canary.rollout.wanted import answer


def leaving(it: Pass) -> Decision:
    """Return the next step out: what runs is ended first, then the Deployment takes over, then all of ours goes."""
    if it.phase is not None and it.phase is not Phase.INITIALIZING and not it.phase.at_rest:
        return _ended_first(it, "the Canary is leaving")
    notices = () if it.memory.stage is Stage.LEAVING else _notice(it)
    if it.memory.stage is not Stage.LEAVING:
        serving = it.phase in (None, Phase.INITIALIZING) and not it.apex.narrow
        it = it.on(remember(it.status, stage=Stage.LEAVING, left_at=it.now if serving else None))
    decision = _hand_over(it)
    return replace(decision, notices=(*notices, *decision.notices))


def _ended_first(it: Pass, why: str) -> Decision:
    """Return the next step of ending what runs, a rollout under way by rolling it back."""
    if it.phase in (Phase.FINALIZING, Phase.ROLLING_BACK):
        return clearing(it)
    status, notices = rolling_back(it, why)
    return replace(clearing(it.on(status)), notices=notices)


def _notice(it: Pass) -> tuple[Notice, ...]:
    text = "The Canary is leaving; the Deployment takes over its traffic again"
    return (Notice(reason=Reason.LEAVING, text=text),)


def _hand_over(it: Pass) -> Decision:
    if it.memory.left_at is None:
        waits = _unproved(it)
        if waits:
            return _waiting(it, waits)
        if not it.drained:
            return _leaving(it, "Leaving: weight 0 and drain", None, ApexWanted.NARROW)
        if not _up(it):
            ready = f"{it.target.ready} of {it.primary_replicas} pods of the Deployment are ready to take over"
            return _leaving(it, f"Leaving: {ready}", _size(it), ApexWanted.NARROW)
        if it.apex.narrow:
            return _leaving(it, "Leaving: the Service is widened to the Deployment", _size(it), ApexWanted.WIDE)
        if it.world.autoscaler is not None and it.world.autoscaler.at_primary:
            return _leaving(it, "Leaving: the autoscaler is put back", _size(it), ApexWanted.WIDE)
        if it.apex.unlisted:
            return _leaving(it, f"Leaving: {_unlisted(it)}", _size(it), ApexWanted.WIDE)
        it = it.on(remember(it.status, left_at=it.now))
    return _out(it)


def _unlisted(it: Pass) -> str:
    return f"EndpointSlices of Service {it.apex.unlisted} do not list every ready pod of the Deployment yet"


def _out(it: Pass) -> Decision:
    timing = it.plan.timing
    over = it.passed(it.memory.left_at, timing.settle + timing.drain)
    served = (it.target.ready > 0 and not it.apex.unlisted) or it.target.replicas == 0 or it.primary is None
    if not over or not served or it.apex.narrow:
        because = f"Leaving: {_unlisted(it)}" if it.apex.unlisted else "Leaving: the route is as before; draining"
        decision = _leaving(it, because, None, ApexWanted.WIDE)
        return replace(decision, weight=None, wanted=replace(decision.wanted, removal=Removal.ROUTE))
    return gone_for_good(it, it.status, "Left: what the controller made is taken away")


def gone_for_good(it: Pass, status: Status, because: str) -> Decision:
    """Return the decision that takes away all that the controller made and gives the user's objects back."""
    scaler = ScalerWanted.TARGET if it.world.autoscaler else ScalerWanted.LEAVE
    wanted = Wanted(apex=ApexWanted.WIDE, scaler=scaler, removal=Removal.EVERYTHING)
    return Decision(status=status, weight=None, wanted=wanted, because=because)


def _unproved(it: Pass) -> str:
    """Return why the Deployment may not take over yet, "" when its revision is the stable one or was released."""
    target = it.target
    if target.revision.key not in (it.stable_key, it.memory.released):
        return f"{target.revision.named} is unproved; the stable revision or `release` lets it go on"
    return ""


def _waiting(it: Pass, why: str) -> Decision:
    told = it.memory.told
    notices: tuple[Notice, ...] = ()
    if Reason.LEAVING_WAITS not in told:
        it = it.on(remember(it.status, told={**told, Reason.LEAVING_WAITS: it.now}))
        notices = (Notice(reason=Reason.LEAVING_WAITS, text=f"Leaving waits: {why}", warning=True),)
    decision = _leaving(it, f"Leaving waits: {why}", target_at_rest(it), ApexWanted.NARROW)
    return replace(decision, notices=notices)


def _size(it: Pass) -> TargetWanted:
    replicas = max(it.primary_replicas, it.target.replicas)
    return TargetWanted(replicas=replicas, held=False if it.memory.hold else None)


def _up(it: Pass) -> bool:
    """Return whether the Deployment's own pods could serve alone."""
    target = it.target
    enough = target.ready >= it.primary_replicas and target.replicas >= it.primary_replicas
    return enough and target.settled and not target.other_pods


def _leaving(it: Pass, because: str, target: TargetWanted | None, apex: ApexWanted) -> Decision:
    decision = answer(it, it.status, because, target)
    if apex is ApexWanted.NARROW:
        apex = decision.wanted.apex
    moves = it.world.autoscaler is not None and apex is ApexWanted.WIDE
    scaler = ScalerWanted.TARGET if moves else ScalerWanted.LEAVE
    return replace(decision, wanted=replace(decision.wanted, apex=apex, scaler=scaler))


def taken_back(it: Pass) -> Pass:
    """Return the pass of a canary that stays after all: at rest where the primary can serve, else onboarding again."""
    status = remember(it.status, left_at=None, released="", reset_generation=it.target.generation)
    if it.phase is not None and it.phase.at_rest and (it.primary_full or it.target.ready == 0):
        return it.on(remember(status, stage=Stage.REST))
    return it.on(remember(replace(status, phase=Phase.INITIALIZING), stage=Stage.PREPARING))


def target_gone_too_long(it: Pass) -> bool:
    """Return whether the target is gone for so long that nothing waits for it any more."""
    return it.world.target is None and it.passed(it.memory.target_gone_at, TARGET_PATIENCE)


def without_target(it: Pass) -> Decision:
    """Take everything away after the patience; then the status is as new but for the history."""
    if it.phase is not None and it.phase is not Phase.INITIALIZING and not it.phase.at_rest:
        return _ended_first(it, "the Deployment is gone for ten minutes")
    because = "The Deployment is gone for ten minutes: what the controller made is taken away"
    status = it.status
    if it.primary is None and it.world.canary_pin is None and not it.world.leaving:
        fresh = Status(
            phase=it.phase,
            history=status.history,
            last_command=status.last_command,
            target_generation=status.target_generation,
            conditions=status.conditions,
            last_transition_at=status.last_transition_at,
        )
        memory = replace(fresh.memory, target_gone_at=it.memory.target_gone_at, epoch=it.memory.epoch)
        status = replace(fresh, phase=Phase.INITIALIZING, memory=memory)
    return gone_for_good(it, status, because)
