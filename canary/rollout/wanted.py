"""What objects are to be in a pass, from status and world: the part that is the same in most phases.

Each answer states everything anew, so whatever a crash left undone is done by the next pass.
"""

from __future__ import annotations

from canary.rollout.model import (
    ApexWanted,
    Decision,
    Notice,
    PrimaryWanted,
    Revision,
    ScalerWanted,
    Side,
    Status,
    TargetWanted,
    Wanted,
)
from canary.rollout.phases import Phase
from canary.rollout.situation import Pass, remember
from canary.rollout.values import replace

SEVERAL = "AutoscalerConflict"
"""The fault of a canary that has more than one autoscaler."""


def primary_size(it: Pass) -> int | None:
    """Return the size that the primary is to have, None where an autoscaler sets it."""
    if it.world.autoscaler is not None and it.primary is not None and it.world.autoscaler.at_primary:
        return None
    if it.world.autoscaler is not None:
        return max(it.primary_replicas, it.memory.size or 0, 1)
    size = it.plan.replicas if it.plan.replicas is not None else it.memory.size
    if size is None:
        size = it.primary_replicas
    if it.phase is Phase.PROMOTING and it.primary is not None:
        return max(size, it.memory.promoted_size)
    return size


def size_ahead(it: Pass) -> int:
    """Return the size that the primary has or is about to be given, whichever is more: the weight is to fit both."""
    return max(it.primary_replicas, primary_size(it) or 0)


def primary_wanted(it: Pass) -> PrimaryWanted | None:
    """Return what `-primary` is to be: the stable revision, while promoting the one that passed.

    None (leave it) before there is a stable one, and as long as the wanted revision is not stored.
    """
    given = it.status.revision if it.phase is Phase.PROMOTING else it.status.stable
    if given is None or (it.phase is Phase.PROMOTING and given.key not in it.world.stored):
        return None
    size = primary_size(it)
    awake = _awake(it) if size is None and it.primary_replicas == 0 else None
    return PrimaryWanted(key=given.key, restarted_at=given.restarted_at, replicas=size, awake=awake)


def _awake(it: Pass) -> int | None:
    """Return the size that ends an outage which the autoscaler does not end: what it scales was taken to 0 by hand.

    None where it takes the primary to 0 itself, where one of several may, and where people want it there.
    """
    scaler = it.world.autoscaler
    several = any(fault.reason == SEVERAL for fault in it.world.faults)
    if scaler is None or scaler.sleeps or several or it.plan.replicas == 0:
        return None
    return max(scaler.floor, floor_wanted(it) or 0, it.memory.scaled, 1)


def floor_wanted(it: Pass) -> int | None:
    """Return the least size of the autoscaler: the primary's when what runs began, None (the user's) at rest.

    What the primary has grown to since is the autoscaler's to take back, but for the size with which a promotion
    began: with fewer pods it does not get its traffic back (ROLLOUT invariant 4).
    """
    floor = _size_at_first(it)
    return max(floor, it.memory.promoted_size) if floor is not None and it.phase is Phase.PROMOTING else floor


def _size_at_first(it: Pass) -> int | None:
    """Return the primary's size when what runs began: onboarding, a rollout, or leaving."""
    if it.world.autoscaler is None or (it.phase is not None and it.phase.at_rest and not it.world.leaving):
        return None
    return it.primary_replicas if it.memory.floor is None else it.memory.floor


def usual(it: Pass) -> Wanted:
    """Return what is wanted in every phase from Initialized on: all but the target."""
    scaler = ScalerWanted.PRIMARY if it.world.autoscaler else ScalerWanted.LEAVE
    return Wanted(
        primary=primary_wanted(it),
        apex=ApexWanted.NARROW if it.primary_serves or it.apex.narrow else ApexWanted.LEAVE,
        canary_pin=pin_wanted(it),
        keep=kept(it),
        store=lost(it),
        scaler=scaler,
        floor=floor_wanted(it),
    )


def pin_wanted(it: Pass) -> str | None:
    """Return what the canary Service is to select; None leaves it while pods may still get traffic through it."""
    revision = it.status.revision or it.status.stable
    if revision is None or not revision.pin:
        return None
    present = it.world.canary_pin
    return revision.pin if not present or present == revision.pin or it.drained else None


def kept(it: Pass) -> frozenset[str] | None:
    """Return the keys of the stored revisions that are still needed; None (all) before there is a stable one."""
    if not it.stable_key:
        return None
    return frozenset({it.stable_key, it.tested_key, it.status.last_failed} - {""})


def lost(it: Pass) -> Revision | None:
    """Return the revision in service or under test whose template is not stored, while it can be had anew.

    That is while the Deployment still has it; None when nothing is lost, or for ever.
    """
    present = it.target.revision.key
    under_test = None if it.phase is not None and it.phase.at_rest else it.status.revision
    known = (it.status.stable, under_test)
    found = (one for one in known if one is not None and one.key == present and one.key not in it.world.stored)
    return next(found, None)


def answer(
    it: Pass, status: Status, because: str, target: TargetWanted | None = None, notices: tuple[Notice, ...] = ()
) -> Decision:
    """Return the decision with the usual wants, the status' weight and one sentence.

    When to look again and what every status tells (conditions, times) is filled in by decide().
    """
    status = remember(status, floor=_size_at_first(it.on(status)))
    wanted = replace(usual(it.on(status)), target=target)
    return Decision(status=status, weight=status.weight, wanted=wanted, notices=notices, because=because)


def confirmed(decision: Decision, side: Side) -> Decision:
    """Return a decision that holds only if a live look at one side's Deployment and pods leads to it again."""
    return replace(decision, confirm=decision.confirm | {side})


def cleared_target(it: Pass) -> TargetWanted:
    """Return a candidate at 0 replicas; a hold of ours goes in the same write, one of the user's stays."""
    return TargetWanted(replicas=0, held=False if it.memory.hold else None)


def kept_target(it: Pass) -> TargetWanted | None:
    """Return a candidate that stays as it was given, held; None when it was given nothing.

    Pods that somebody added may carry requests: they stay until the weight is 0 and drained.
    """
    if not it.memory.hold:
        return None
    replicas = it.memory.candidate if it.drained else max(it.memory.candidate, it.target.replicas)
    return TargetWanted(replicas=replicas, held=True)


def may_clear(it: Pass) -> bool:
    """Return whether candidate pods may go: drained, and what serves does without them (ROLLOUT invariants 4 and 5).

    While the apex is wide the candidate must not stay in it, provided that the primary has its full number.
    """
    if not it.drained or not it.primary_serves:
        return False
    if it.apex.narrow and it.apex.primary_only:
        return True
    return it.primary_full
