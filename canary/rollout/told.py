"""What is told beside the phases: faults, what somebody sets back, a deleted `-primary`, a target that is gone."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b

from canary.rollout.contests import followed
from canary.rollout.model import Decision, Fault, Notice, Status, Wanted
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.replacing import deleted_notice
from canary.rollout.situation import WIDENINGS, Pass, remember

_FAULT = "fault/"
SHARED = "ServiceShared"
MOST_FAULTS = 10
"""So many faults of one reason are told until none of them is there: words that change endlessly end here."""


def aside(before: Status, it: Pass) -> tuple[Pass, tuple[Notice, ...]]:
    """Return what is to be told about the world itself, with what was told remembered."""
    told, notices = _faults(it)
    deleting = it.primary is not None and it.primary.deleting and not it.world.leaving
    if deleting and Reason.PRIMARY_DELETED not in told:
        told[Reason.PRIMARY_DELETED] = it.now
        notices += deleted_notice(it)
    if not deleting and it.primary is not None:
        told.pop(Reason.PRIMARY_DELETED, None)
    if not it.world.leaving:
        told.pop(Reason.LEAVING_WAITS, None)
    it, contests = followed(before, it, told)
    notices += _gone(before, it) + _widened(before, it, told) + contests
    return (it if told == it.memory.told else it.on(remember(it.status, told=told))), notices


def arrived(before: Pass, status: Status, because: str) -> tuple[Notice, ...]:
    """Return the Event of a transition that nothing else tells: into onboarding, and to rest once an end is drained."""
    match before.phase, status.phase:
        case (was, Phase.INITIALIZING) if was is not Phase.INITIALIZING:
            return (Notice(reason=Reason.INITIALIZING, text=f"Initializing: {because}", slack=False),)
        case Phase.FINALIZING, Phase.SUCCEEDED:
            return (Notice(reason=Reason.SUCCEEDED, text=f"Drained and at rest: {because}", slack=False),)
        case Phase.ROLLING_BACK, Phase.FAILED:
            return (Notice(reason=Reason.FAILED, text=f"Drained and at rest: {because}", slack=False),)
        case _:
            return ()


def hands_off(it: Pass) -> Decision:
    """Return the answer that tells of faults and touches nothing: what is there is held as it is."""
    told, notices = _faults(it)
    status = it.status if told == it.memory.told else remember(it.status, told=told)
    because = "; ".join(fault.message for fault in it.world.faults) or "No spec was ever good; nothing is touched"
    return Decision(status=status, weight=None, wanted=Wanted(), notices=notices, because=because)


def _faults(it: Pass) -> tuple[dict[str, datetime], tuple[Notice, ...]]:
    """Return what was told by now, and one notice for each reason under which there is a fault not told before."""
    current = {_mark(fault) for fault in it.world.faults}
    told = {key: at for key, at in it.memory.told.items() if not key.startswith(_FAULT) or _reason(key) in current}
    notices: dict[str, Notice] = {}
    for fault in it.world.faults:
        reason, mark = _mark(fault), f"{_mark(fault)}/{_words(fault)}"
        if mark in told or sum(_reason(key) == reason for key in told) >= MOST_FAULTS:
            continue
        told[mark] = it.now
        known = notices.get(reason)
        text = f"{known.text}; {fault.message}" if known is not None else fault.message
        notices[reason] = Notice(reason=fault.reason, text=text, warning=True)
    return told, tuple(notices.values())


def _mark(fault: Fault) -> str:
    return _FAULT + fault.reason


def _words(fault: Fault) -> str:
    return blake2b(fault.message.encode(), digest_size=4).hexdigest()


def _reason(key: str) -> str:
    """Return under which reason a fault was told."""
    return "/".join(key.split("/")[:2])


def _gone(before: Status, it: Pass) -> tuple[Notice, ...]:
    if it.world.target is not None or before.memory.target_gone_at is not None or it.status.stable is None:
        return ()
    text = "The Deployment is gone; what serves is kept for ten minutes, in case it comes back"
    return (Notice(reason=Reason.TARGET_GONE, text=text, warning=True),)


def _widened(before: Status, it: Pass, told: dict[str, datetime]) -> tuple[Notice, ...]:
    """Tell of a widened apex, each time until it is called contested; that is said once a day, for `told` knows.

    A Service that selects pods of others too is not put back: its fault says so.
    """
    widened, contested_at = it.memory.widened, told.get(Reason.APEX_CONTESTED)
    if widened == before.memory.widened or not widened or widened[-1] != it.now:
        return ()
    if any(fault.reason == SHARED for fault in it.world.faults):
        return ()
    if contested_at is not None and it.now - contested_at < timedelta(days=1):
        return ()
    if len(widened) == WIDENINGS:
        told[Reason.APEX_CONTESTED] = it.now
    else:
        text = f"The selector of a Service was widened beyond the primary by {it.apex.widened_by}; it is put back"
        return (Notice(reason=Reason.APEX_WIDENED, text=text, slack=False),)
    text = (
        f"The selector of a Service was widened {WIDENINGS} times in a day, the last time by {it.apex.widened_by}, and "
        "is put back each time; write into Git: "
        f"`canary.delivery/role: primary` and `canary.delivery/target: {it.plan.target}` in its selector"
    )
    return (Notice(reason=Reason.APEX_CONTESTED, text=text, warning=True),)
