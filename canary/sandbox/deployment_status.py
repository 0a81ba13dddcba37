"""The status that the Deployment controller writes: counts, Available, Progressing and ReplicaFailure. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from canary.sandbox.clock import parse, stamp
from canary.sandbox.conditions import Condition, condition, find, with_condition, without_condition
from canary.sandbox.rolling import available, max_unavailable, wanted
from meshes.contract import Manifest

_NO_DEADLINE = 2147483647


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A Deployment with its newest ReplicaSet (None: its template has none yet) and the older ones, oldest first."""

    deployment: Manifest
    new: Manifest | None
    olds: Sequence[Manifest]

    @property
    def sets(self) -> list[Manifest]:
        """Every ReplicaSet."""
        return [*self.olds, self.new] if self.new else list(self.olds)


def counted(view: View, now: datetime) -> dict[str, Any]:
    """Return the status with its counts and the condition Available; other conditions stay. Zeros are left out."""
    deployment = view.deployment
    ready = sum(map(available, view.sets))
    enough = ready >= wanted(deployment) - max_unavailable(deployment)
    says = (
        condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        if enough
        else condition(
            "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
        )
    )
    old: Sequence[Condition] = deployment.get("status", {}).get("conditions") or ()
    counts = {
        "replicas": sum(_count(each, "replicas") for each in view.sets),
        "updatedReplicas": _count(view.new, "replicas") if view.new else 0,
        "readyReplicas": sum(_count(each, "readyReplicas") for each in view.sets),
        "availableReplicas": ready,
        "unavailableReplicas": max(0, sum(map(wanted, view.sets)) - ready),
        "collisionCount": deployment.get("status", {}).get("collisionCount", 0),
    }
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        **{name: count for name, count in counts.items() if count},
        "conditions": with_condition(old, says, stamp(now), updated=True),
    }


def progressed(view: View, now: datetime) -> dict[str, Any]:
    """Return the status of a Deployment in a roll: as `counted`, with Progressing and ReplicaFailure."""
    status = counted(view, now)
    conditions = status["conditions"]
    if not has_deadline(view.deployment):
        conditions = without_condition(conditions, "Progressing")
    elif not _rests(status):
        conditions = _with_progress(view, status, now)
    failure = next((each for each in map(_failure, reversed(view.sets)) if each), None)
    if failure:
        conditions = with_condition(conditions, failure, stamp(now), updated=True)
    else:
        conditions = without_condition(conditions, "ReplicaFailure")
    return {**status, "conditions": conditions}


def is_complete(deployment: Manifest, status: dict[str, Any]) -> bool:
    """Whether the newest template runs at full size and nothing else does."""
    goal = wanted(deployment)
    counts = [status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas")]
    observed = int(status.get("observedGeneration", 0))
    return counts == [goal, goal, goal] and observed >= int(deployment["metadata"]["generation"])


def has_deadline(deployment: Manifest) -> bool:
    """Whether the Deployment wants to be told of a lack of progress."""
    return int(deployment["spec"].get("progressDeadlineSeconds", _NO_DEADLINE)) != _NO_DEADLINE


def seconds_to_deadline(deployment: Manifest, now: datetime) -> float | None:
    """Return how long until a roll has missed its deadline, None when there is no roll with one."""
    says = find(deployment.get("status", {}), "Progressing")
    if says is None or says["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"):
        return None
    if not has_deadline(deployment):
        return None
    limit = timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])
    return (parse(says["lastUpdateTime"]) + limit - now).total_seconds()


def _with_progress(view: View, status: dict[str, Any], now: datetime) -> list[Condition]:
    deployment, conditions = view.deployment, status["conditions"]
    subject = f'ReplicaSet "{view.new["metadata"]["name"]}"' if view.new else f'Deployment "{_name(deployment)}"'
    if is_complete(deployment, status):
        done = condition("Progressing", "True", "NewReplicaSetAvailable", f"{subject} has successfully progressed.")
        return with_condition(conditions, done, stamp(now), updated=True)
    if _moved(deployment.get("status", {}), status):
        moves = condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.")
        old = find(status, "Progressing")
        same = old is not None and old["status"] == "True"
        since = old["lastTransitionTime"] if old is not None and same else stamp(now)
        moved = {**moves, "lastUpdateTime": stamp(now), "lastTransitionTime": since}
        return [*without_condition(conditions, "Progressing"), moved]
    left = seconds_to_deadline(deployment, now)
    if left is not None and left < 0:
        stuck = condition("Progressing", "False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing.")
        return with_condition(conditions, stuck, stamp(now), updated=True)
    return list(conditions)


def _rests(status: dict[str, Any]) -> bool:
    says = find(status, "Progressing")
    one_template = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    return one_template and says is not None and says["reason"] == "NewReplicaSetAvailable"


def _moved(old: dict[str, Any], new: dict[str, Any]) -> bool:
    def older(status: dict[str, Any]) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    rising = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return older(new) < older(old) or any(new.get(name, 0) > old.get(name, 0) for name in rising)


def _failure(replica_set: Manifest) -> Condition | None:
    says = find(replica_set.get("status", {}), "ReplicaFailure")
    return condition("ReplicaFailure", says["status"], says["reason"], says["message"]) if says else None


def _count(replica_set: Manifest, field: str) -> int:
    return int(replica_set.get("status", {}).get(field, 0))


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])
