"""The Status of the rules <-> the `status` of the Canary resource.

What people and tools read stands in named fields; what only the rules need stands under `memory`, which is what the
Status is read back from. The named fields are derived, so nobody's edit of them misleads a rollout.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_snake

from canary.errors import ConfigError
from canary.rollout.model import CheckResult, Condition, LastCommand, Past, Status, Telling
from canary.rollout.values import replace
from canary.rollout.wording import fitted

VERSION = 1
"""The version of the status that this controller writes; it reads no newer one."""

LONGEST_MESSAGE = 1024


class NewerStatus(ConfigError):
    """A newer controller wrote the status; this one must hold the split and say so."""


@cache
def _adapter() -> TypeAdapter[Status]:
    return TypeAdapter(Status)


def status_to_json(status: Status) -> dict[str, Any]:
    """Return the `status` of the resource; equal values give equal JSON. Messages are cut to `LONGEST_MESSAGE`.

    What JSON has no number for, NaN and Inf, is left out.
    """
    status = storable(status)
    named: dict[str, Any] = {
        "phase": status.phase.value if status.phase else None,
        "weight": status.weight,
        "observedWeight": status.observed_weight,
        "step": status.step,
        "revision": status.revision.shown if status.revision else None,
        "stableRevision": status.stable.shown if status.stable else None,
        "targetGeneration": status.target_generation,
        "failedChecks": status.failed_checks,
        "checks": [_check(check) for check in status.checks],
        "message": status.message,
        "waitsUntil": _time(status.waits_until),
        "startedAt": _time(status.started_at),
        "lastTransitionTime": _time(status.last_transition_at),
        "observedGeneration": status.observed_generation,
        "lastCommand": _command(status.last_command) if status.last_command else None,
        "history": [_past(past) for past in status.history],
        "conditions": [_condition(condition) for condition in status.conditions],
        "slack": _thread(status.telling),
        "version": status.version,
    }
    memory = _adapter().dump_python(status, mode="json", exclude_defaults=True)
    for derived in ("message", "waits_until", "history", "conditions"):
        memory.pop(derived, None)
    return {key: value for key, value in named.items() if value is not None} | {"memory": memory}


def status_from_json(stored: Mapping[str, Any] | None) -> Status:
    """Return the Status that was stored; an empty or missing one gives the first Status.

    Raises NewerStatus when a newer controller wrote it, ConfigError when it cannot be read. Neither may be guessed at.
    """
    if not stored:
        return Status()
    try:
        version = stored.get("version")
        if isinstance(version, int) and version > VERSION:
            words = f"version {version}, written by a newer controller than this one, which knows {VERSION}"
            raise NewerStatus(f"the status has {words}; the split is held until a newer one leads")
        whole = {
            **_remembered(stored),
            "message": stored.get("message", ""),
            "waits_until": stored.get("waitsUntil"),
            "history": [_snake(past) for past in stored.get("history", ())],
            "conditions": [
                {**_snake(condition), "since": condition["lastTransitionTime"]}
                for condition in stored.get("conditions", ())
            ],
        }
        return _adapter().validate_json(json.dumps(whole))
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        words = " ".join(str(error).split())[:200]
        raise ConfigError(f"the status cannot be read: {words}; the split is held until it can be") from error


def _remembered(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part that is the rules' own; an empty one is not stored, right only before the first phase."""
    memory: Mapping[str, Any] = stored["memory"] if "phase" in stored else stored.get("memory", {})
    return memory


def storable(status: Status) -> Status:
    """Return the status as it is stored: what can grow is bounded, and numbers that JSON does not have are left out."""
    checks = tuple(
        replace(
            check,
            because=fitted(check.because, LONGEST_MESSAGE),
            value=check.value if check.value is not None and math.isfinite(check.value) else None,
        )
        for check in status.checks
    )
    memory = replace(status.memory, why=fitted(status.memory.why, LONGEST_MESSAGE))
    return replace(status, checks=checks, memory=memory, message=fitted(status.message, LONGEST_MESSAGE))


_snake_case = lru_cache(maxsize=256)(to_snake)


def _snake(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {_snake_case(key): value for key, value in shown.items() if key != "lastTransitionTime"}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _check(check: CheckResult) -> dict[str, Any]:
    shown = {
        "name": check.name,
        "value": None if check.value is None else round(check.value, 6),
        "limit": check.limit,
        "requests": check.requests,
        "verdict": check.verdict.value,
        "message": check.because or None,
        "at": _time(check.at),
    }
    return {key: value for key, value in shown.items() if value is not None}


def _command(command: LastCommand) -> dict[str, Any]:
    return {
        "name": command.name.value,
        "revision": command.revision,
        "at": _time(command.at),
        "by": command.by,
    }


def _past(past: Past) -> dict[str, Any]:
    return {
        "revision": past.revision,
        "image": past.image,
        "outcome": past.outcome.value,
        "message": fitted(past.message, LONGEST_MESSAGE),
        "startedAt": _time(past.started_at),
        "endedAt": _time(past.ended_at),
        "highestWeight": past.highest_weight,
    }


def _thread(telling: Telling) -> dict[str, Any] | None:
    """Return where the message of the newest rollout is, and how many notices wait to be told; None for neither."""
    thread = {"channel": telling.thread.channel, "ts": telling.thread.ts} if telling.thread else {}
    waiting = {"waiting": len(telling.letters)} if telling.letters else {}
    return {**thread, **waiting} or None


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": condition.status.value,
        "reason": condition.reason,
        "message": fitted(condition.message, LONGEST_MESSAGE),
        "lastTransitionTime": _time(condition.since),
    }
