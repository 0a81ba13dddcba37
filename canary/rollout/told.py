"""What is told beside the phases: faults, a widened apex, a deleted `-primary`, a target that is gone; each once."""

from __future__ import annotations

from datetime import datetime, timedelta

from canary.rollout.model import Notice, Status
from canary.rollout.reasons import Reason
from canary.rollout.replacing import deleted_notice
from canary.rollout.situation import WIDENINGS, Pass, remember

_FAULT = "fault/"


def aside(before: Status, it: Pass) -> tuple[Pass, tuple[Notice, ...]]:
    """Return what is to be told about the world itself, with what was told remembered."""
    notices: tuple[Notice, ...] = ()
    told = dict(it.memory.told)
    for fault in it.world.faults:
        if _FAULT + fault.reason not in told:
            told[_FAULT + fault.reason] = it.now
            notices += (Notice(reason=fault.reason, text=fault.message, warning=True),)
    current = {_FAULT + fault.reason for fault in it.world.faults}
    told = {key: at for key, at in told.items() if not key.startswith(_FAULT) or key in current}
    deleting = it.primary is not None and it.primary.deleting and not it.world.leaving
    if deleting and Reason.PRIMARY_DELETED not in told:
        told[Reason.PRIMARY_DELETED] = it.now
        notices += deleted_notice(it)
    if not deleting and it.primary is not None:
        told.pop(Reason.PRIMARY_DELETED, None)
    if not it.world.leaving:
        told.pop(Reason.LEAVING_WAITS, None)
    notices += _gone(before, it) + _widened(before, it, told)
    return (it if told == it.memory.told else it.on(remember(it.status, told=told))), notices


def _gone(before: Status, it: Pass) -> tuple[Notice, ...]:
    if it.world.target is not None or before.memory.target_gone_at is not None or it.status.stable is None:
        return ()
    text = "The Deployment is gone; what serves is kept for ten minutes, in case it comes back"
    return (Notice(reason=Reason.TARGET_GONE, text=text, warning=True),)


def _widened(before: Status, it: Pass, told: dict[str, datetime]) -> tuple[Notice, ...]:
    """Tell of a widened apex, each time until it is called contested; that is said once a day, for `told` knows."""
    widened, contested_at = it.memory.widened, told.get(Reason.APEX_CONTESTED)
    if widened == before.memory.widened or not widened or widened[-1] != it.now:
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
