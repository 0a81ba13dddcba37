"""A `-primary` that somebody deletes: who serves meanwhile, and when its finalizer is released."""

from __future__ import annotations

from canary.rollout.model import ApexWanted, Decision, Notice, Stage, TargetWanted
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.situation import Pass, remember
from canary.rollout.values import replace
from canary.rollout.wanted import answer


def can_serve_on(it: Pass) -> bool:
    """Return whether the pods of a `-primary` that is being deleted go on once their ReplicaSets have no owner."""
    primary = it.primary
    return primary is not None and primary.deleting and not primary.foreground and primary.left_alone


def serves_on(it: Pass) -> bool:
    """Return whether the pods of a `-primary` that is being deleted go on until the next one adopts them."""
    return can_serve_on(it) and it.primary is not None and it.primary.orphaned


def can_stand_in(it: Pass) -> bool:
    """Return whether the candidate is to serve while `-primary` is replaced: deleted in background, at rest, stable."""
    primary = it.primary
    if primary is None or not primary.deleting or primary.foreground or it.world.target is None or serves_on(it):
        return False
    rested = it.phase is not None and it.phase.at_rest
    return rested and it.target.revision.key == it.stable_key


def stand_in(it: Pass) -> Decision:
    """Begin to replace `-primary`: onboarding again, with the candidate brought up first."""
    status = replace(it.status, phase=Phase.INITIALIZING)
    status = remember(status, stage=Stage.REPLACING, left_at=None, size=it.primary_replicas)
    return replacing(it.on(status))


def replacing(it: Pass) -> Decision:
    """The candidate at the primary's size and ready, the apex wide, settled and drained; then `-primary` may go.

    One that was orphaned loses its pods to the candidate's, one by one as those become ready: the apex is wide at once.
    """
    size = it.memory.size or 1
    target = TargetWanted(replicas=max(size, it.target.replicas))
    timing = it.plan.timing
    if it.memory.left_at is None and it.target.revision.key != it.stable_key:
        return _at_once(it)
    if it.memory.left_at is None and (it.target.ready < size or not it.target.settled):
        because = f"-primary is being deleted: {it.target.ready} of {size} pods of the Deployment are ready to serve"
        orphaned = it.primary is not None and it.primary.orphaned
        return _step(it, because, target, ApexWanted.WIDE if orphaned else ApexWanted.NARROW)
    if it.apex.narrow:
        return _step(it, "-primary is being deleted: the Service is widened", target, ApexWanted.WIDE)
    it = it.on(remember(it.status, left_at=it.memory.left_at or it.now))
    if not it.passed(it.memory.left_at, timing.settle + timing.drain):
        return _step(it, "-primary is being deleted: the Deployment's pods take over", target, ApexWanted.WIDE)
    decision = _step(it, "-primary is deleted and made again", target, ApexWanted.WIDE)
    return replace(decision, wanted=replace(decision.wanted, release_primary=True))


def released(it: Pass, decision: Decision) -> Decision:
    """Return the decision that lets a deleted `-primary` go; the next pass makes it again, by then as large as it was.

    Its ReplicaSets are freed first, where that lets their pods go on: nothing but our finalizer keeps Kubernetes from
    taking them away. Without a Deployment it stays: there is nothing to make the next one from.
    Who sets its size, an autoscaler, cannot be asked once it is gone; and pods that go on are not to become fewer.
    """
    primary = it.primary
    if primary is None or it.world.target is None:
        return decision
    if can_serve_on(it) and not primary.freed:
        return replace(decision, wanted=replace(decision.wanted, free_primary=not primary.orphaned))
    if serves_on(it) and it.world.autoscaler is not None:
        decision = replace(decision, status=remember(decision.status, size=it.primary_replicas))
    return replace(decision, wanted=replace(decision.wanted, release_primary=True))


def _at_once(it: Pass) -> Decision:
    """Make `-primary` again from what is stored: the Deployment holds an unproved revision by now."""
    status = remember(it.status, stage=Stage.CLEARING)
    return answer(it, status, "-primary is deleted and made again at once from its stored revision")


def _step(it: Pass, because: str, target: TargetWanted, apex: ApexWanted) -> Decision:
    decision = answer(it, it.status, because, target)
    return replace(decision, wanted=replace(decision.wanted, primary=None, apex=apex))


def deleted_notice(it: Pass) -> tuple[Notice, ...]:
    """Return the message about a `-primary` that somebody deletes; an incident when nobody can stand in for it."""
    if it.world.target is None:
        text = "-primary was deleted and is made again once the Deployment is back"
    elif can_stand_in(it):
        text = "-primary was deleted; the Deployment serves until it is made again"
    elif can_serve_on(it):
        text = "-primary was deleted and is made again at once; its pods go on serving"
    else:
        text = "-primary was deleted and is made again at once from the stored revision; its pods were interrupted"
    return (Notice(reason=Reason.PRIMARY_DELETED, text=text, warning=True, milestone=True),)
