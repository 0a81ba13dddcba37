"""The status that the kubelet writes for a pod: phase, conditions and container statuses. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from canary.sandbox.clock import stamp
from canary.sandbox.conditions import condition, with_condition
from meshes.contract import Manifest

_GATES = ("Ready", "ContainersReady")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """How a pod does. `reason` says what its containers wait for, "" once they run."""

    ip: str
    is_ready: bool = False
    reason: str = "ContainerCreating"
    message: str = ""
    restarts: int = 0
    has_crashed: bool = False

    def ready(self) -> PodState:
        """The same pod, ready."""
        return replace(self, is_ready=True, reason="", message="")

    def running(self) -> PodState:
        """The same pod, running and not ready."""
        return replace(self, is_ready=False, reason="", message="")

    def waiting(self, reason: str, message: str) -> PodState:
        """The same pod, its containers waiting."""
        return replace(self, is_ready=False, reason=reason, message=message)

    def restarted(self) -> PodState:
        """The same pod after its containers ended and were started again."""
        return replace(self.running(), restarts=self.restarts + 1, has_crashed=True)


def addresses() -> Iterator[str]:
    """Yield pod IPs, each once: 10.244.0.1, 10.244.0.2, ..."""
    for number in range(1, 1 << 24):
        yield f"10.{(244 + (number >> 16)) % 256}.{number >> 8 & 255}.{number & 255}"


def pod_status(pod: Manifest, state: PodState, now: datetime) -> dict[str, Any]:
    """Return the merge patch of the pod's status."""
    # A container that ran once leaves the pod in phase Running, even while it waits for its restart.
    started = state.has_crashed or not state.reason
    return {
        "phase": "Running" if started else "Pending",
        "podIP": state.ip,
        "podIPs": [{"ip": state.ip}],
        "startTime": pod.get("status", {}).get("startTime", stamp(now)),
        "conditions": _conditions(pod, state.is_ready, now),
        "containerStatuses": [_container(each, state, now) for each in pod["spec"]["containers"]],
    }


def evicted(pod: Manifest, message: str, now: datetime) -> dict[str, Any]:
    """Return the merge patch of the status of a pod that its node threw out."""
    return {"phase": "Failed", "reason": "Evicted", "message": message, "conditions": _conditions(pod, False, now)}


def _conditions(pod: Manifest, is_ready: bool, now: datetime) -> list[Mapping[str, Any]]:
    conditions = list(pod.get("status", {}).get("conditions") or ())
    for type_ in ("PodScheduled", "Initialized"):
        conditions = with_condition(conditions, condition(type_, "True", "", ""), stamp(now), updated=False)
    status, reason = ("True", "") if is_ready else ("False", "ContainersNotReady")
    for type_ in _GATES:
        conditions = with_condition(conditions, condition(type_, status, reason, ""), stamp(now), updated=False)
    return conditions


def _container(container: Mapping[str, Any], state: PodState, now: datetime) -> dict[str, Any]:
    runs = {"running": {"startedAt": stamp(now)}}
    waits = {"waiting": {"reason": state.reason, "message": state.message}}
    crashed = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": stamp(now)}}
    return {
        "name": container["name"],
        "image": container["image"],
        "ready": state.is_ready,
        "started": not state.reason,
        "restartCount": state.restarts,
        "state": waits if state.reason else runs,
        "lastState": crashed if state.has_crashed else {},
    }
