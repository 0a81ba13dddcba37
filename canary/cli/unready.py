"""The fault that keeps a Canary from working, for those who look at its message alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.rollout.conditions import READY
from canary.rollout.model import Status, Truth


def with_fault(status: Status) -> str:
    """Return the message of a status, and beside it what the condition Ready says where the message does not."""
    for one in status.conditions:
        if one.type == READY:
            return _beside(status.message, one.status is Truth.FALSE, one.reason, one.message)
    return status.message


def with_fault_as_stored(status: Mapping[str, Any]) -> str:
    """Do as `with_fault`, with a status as the API server has it, whatever stands in it."""
    message = str(status.get("message") or "")
    for one in status.get("conditions") or ():
        if one.get("type") == READY:
            is_false = one.get("status") == Truth.FALSE.value
            return _beside(message, is_false, str(one.get("reason") or ""), str(one.get("message") or ""))
    return message


def _beside(message: str, is_false: bool, reason: str, fault: str) -> str:
    if not is_false or not fault or fault in message:
        return message
    return "; ".join(part for part in (message, f"{reason}: {fault}") if part)
