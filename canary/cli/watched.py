"""What `canary watch` knows of one rollout: the objects as they are, and what was seen of them before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from canary.controller.names import PRIMARY_ROLE, ROLE, labels_of, matches
from canary.controller.pods import is_over, is_ready, trouble
from canary.errors import CanaryError
from canary.rollout.model import CheckResult, Plan, Status, Timing
from canary.spec.plan import plan_from
from canary.spec.status import status_from_json
from meshes.contract import Manifest

KEPT = 60
"""Values of a check that are remembered, one for each evaluation that was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """What there is at one moment. `deployment` is the candidate's; `pods` are those of the namespace."""

    canary: Manifest
    deployment: Manifest | None
    pods: Sequence[Manifest]
    events: Sequence[Manifest]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod of the rollout; `trouble` is "" for a healthy one."""

    name: str
    primary: bool
    ready: bool
    going: bool
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One Event: when, its reason and its text."""

    at: datetime
    reason: str
    text: str
    warning: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that is drawn. `plan` is None where the spec has faults."""

    name: str
    canary: Manifest
    plan: Plan | None
    status: Status
    pods: tuple[Pod, ...]
    events: tuple[Told, ...]
    traces: Mapping[str, tuple[float, ...]]
    now: datetime
    trouble: str = ""


@dataclass(slots=True)
class Traces:
    """The values of the checks so far; those of another revision are forgotten."""

    _revision: str = ""
    _values: dict[str, list[float]] = field(default_factory=dict)
    _seen: dict[str, datetime] = field(default_factory=dict)

    def take(self, revision: str, checks: Iterable[CheckResult]) -> None:
        """Remember the newest values."""
        if revision != self._revision:
            self._revision = revision
            self._values.clear()
            self._seen.clear()
        for check in checks:
            if check.value is not None and self._seen.get(check.name) != check.at:
                self._seen[check.name] = check.at
                self._values.setdefault(check.name, []).append(check.value)
                del self._values[check.name][:-KEPT]

    def values(self) -> Mapping[str, tuple[float, ...]]:
        """Return the values by check, oldest first."""
        return {name: tuple(values) for name, values in self._values.items()}


def view(objects: Objects, traces: Traces, trouble_of_watch: str = "") -> View:
    """Return what is to be drawn. Raises ConfigError when the status cannot be read."""
    canary = objects.canary
    status = status_from_json(canary.get("status"))
    traces.take(status.revision.key if status.revision else "", status.checks)
    plan = _plan(canary)
    return View(
        name=f"{canary['metadata']['namespace']}/{canary['metadata']['name']}",
        canary=canary,
        plan=plan,
        status=status,
        pods=tuple(_pods(objects)),
        events=tuple(sorted((_told(one) for one in objects.events if _about(one, canary)), key=lambda one: one.at)),
        traces=traces.values(),
        now=objects.now,
        trouble=trouble_of_watch,
    )


def _plan(canary: Manifest) -> Plan | None:
    try:
        return plan_from(canary, timing=Timing(), default_mesh="the controller's")
    except CanaryError:
        return None


def _pods(objects: Objects) -> Iterable[Pod]:
    """Yield the primary's pods and then the candidate's, by name."""
    if objects.deployment is None:
        return
    selector: Mapping[str, Any] = objects.deployment["spec"].get("selector") or {}
    own = [pod for pod in objects.pods if matches(selector, labels_of(pod)) and not is_over(pod)]
    for pod in sorted(own, key=lambda one: (labels_of(one).get(ROLE) != PRIMARY_ROLE, one["metadata"]["name"])):
        yield Pod(
            name=pod["metadata"]["name"],
            primary=labels_of(pod).get(ROLE) == PRIMARY_ROLE,
            ready=is_ready(pod),
            going=bool(pod["metadata"].get("deletionTimestamp")),
            trouble=trouble([pod], None, None).because.partition(", ")[2],
        )


def _about(event: Manifest, canary: Manifest) -> bool:
    subject = event.get("involvedObject") or {}
    return subject.get("kind") == "Canary" and subject.get("name") == canary["metadata"]["name"]


def _told(event: Manifest) -> Told:
    at = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return Told(
        at=datetime.fromisoformat(str(at)),
        reason=str(event.get("reason", "")),
        text=str(event.get("message", "")),
        warning=event.get("type") == "Warning",
    )
