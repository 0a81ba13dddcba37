"""The conditions Ready and Promoted, as `kubectl wait` reads them, and Contested while somebody sets fields back."""

from __future__ import annotations

from canary.rollout.contests import remedy
from canary.rollout.model import Condition, Status, Truth
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.situation import LEFT_OUT, Pass

READY = "Ready"
PROMOTED = "Promoted"
CONTESTED = "Contested"


def conditions(it: Pass, message: str) -> tuple[Condition, ...]:
    """Return the conditions of a status; `since` moves only when the truth changes. Foreign ones stay.

    Contested is there while somebody keeps setting back a field that is shared, and gone once that was quiet.
    """
    own = (_ready(it, message), _promoted(it, message), *_contested(it))
    foreign = tuple(old for old in it.status.conditions if old.type not in (READY, PROMOTED, CONTESTED))
    return (*(_since(it.status, new) for new in own), *foreign)


def _since(status: Status, new: Condition) -> Condition:
    for old in status.conditions:
        if old.type == new.type and old.status is new.status:
            return Condition(type=new.type, status=new.status, reason=new.reason, message=new.message, since=old.since)
    return new


def _ready(it: Pass, message: str) -> Condition:
    faults = [fault for fault in it.world.faults if fault.reason != LEFT_OUT]
    if faults:
        reason = faults[0].reason
        told = "; ".join(fault.message for fault in it.world.faults)
        return Condition(type=READY, status=Truth.FALSE, reason=reason, message=told, since=it.now)
    if it.phase in (None, Phase.INITIALIZING):
        reason = Reason.PRIMARY_NOT_READY if it.primary_late else Reason.INITIALIZING
        return Condition(type=READY, status=Truth.FALSE, reason=reason, message=message, since=it.now)
    if it.world.target is None:
        return Condition(type=READY, status=Truth.FALSE, reason="TargetGone", message=message, since=it.now)
    if it.primary is None or it.primary.deleting:
        return Condition(type=READY, status=Truth.FALSE, reason="PrimaryDeleted", message=message, since=it.now)
    told = "; ".join(("The spec is valid and every object is in place", *(one.message for one in it.world.faults)))
    return Condition(type=READY, status=Truth.TRUE, reason=READY, message=told, since=it.now)


def _contested(it: Pass) -> tuple[Condition, ...]:
    contests = it.memory.contests
    told = [
        f"{one.field} is set back again and again by {one.by}; {remedy(reason, it.plan.target)}"
        for reason, one in sorted(contests.items())
    ]
    if not told:
        return ()
    reason, message = min(contests), "; ".join(told)
    return (Condition(type=CONTESTED, status=Truth.TRUE, reason=reason, message=message, since=it.now),)


def _promoted(it: Pass, message: str) -> Condition:
    phase = it.phase
    reason = str(phase) if phase else "Initializing"
    return Condition(type=PROMOTED, status=_promoted_truth(it), reason=reason, message=message, since=it.now)


def _promoted_truth(it: Pass) -> Truth:
    if it.phase in (Phase.ROLLING_BACK, Phase.FAILED):
        return Truth.FALSE
    if it.phase not in (Phase.INITIALIZED, Phase.SUCCEEDED) or it.world.target is None:
        return Truth.UNKNOWN
    key = it.target.revision.key
    if key == it.stable_key:
        return Truth.TRUE
    return Truth.FALSE if key == it.status.last_failed else Truth.UNKNOWN
