"""Conditions in the status of simulated workloads, as the Kubernetes controllers keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Condition = Mapping[str, Any]


def find(status: Mapping[str, Any], type_: str) -> Condition | None:
    """Return the condition of that type in a status, None when there is none."""
    return next((each for each in status.get("conditions") or () if each["type"] == type_), None)


def condition(type_: str, status: str, reason: str, message: str) -> dict[str, str]:
    """Return a condition without its times."""
    return {"type": type_, "status": status, "reason": reason, "message": message}


def with_condition(conditions: Sequence[Condition], new: Condition, now: str, *, updated: bool) -> list[Condition]:
    """Return the conditions with `new` in its type's place; the same status and reason change nothing.

    `updated` adds lastUpdateTime, which Deployments have. lastTransitionTime moves with the status only.
    """
    old = next((each for each in conditions if each["type"] == new["type"]), None)
    if old is not None and (old["status"], old.get("reason", "")) == (new["status"], new["reason"]):
        return list(conditions)
    times = {"lastUpdateTime": now} if updated else {}
    same = old is not None and old["status"] == new["status"]
    times["lastTransitionTime"] = old["lastTransitionTime"] if old is not None and same else now
    return [*without_condition(conditions, str(new["type"])), {**new, **times}]


def without_condition(conditions: Sequence[Condition], type_: str) -> list[Condition]:
    """Return the conditions but for that type."""
    return [each for each in conditions if each["type"] != type_]
