"""What pods and EndpointSlices say: who is ready, who is listed behind a Service, and what is wrong with whom.

Readiness is read from both: a Service may publish addresses that are not ready, and a slice may lag behind the pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from canary.controller.names import HASH_LABEL, labels_of, uid_of
from canary.ports import ENDPOINT_SLICE, Cluster
from canary.rollout.model import Trouble
from meshes.contract import Manifest

PULL_ERRORS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
OVER = ("Succeeded", "Failed")


@dataclass(slots=True)
class PullErrors:
    """Remembers since when each pod cannot pull its image: the API does not tell. Begins anew with the process."""

    since: dict[str, datetime] = field(default_factory=dict)

    def seen(self, pods: Sequence[Manifest], now: datetime) -> datetime | None:
        """Note which of these pods cannot pull now; return since when the first of them could not, None for none."""
        times = []
        for pod in pods:
            uid = uid_of(pod)
            if any(reason in PULL_ERRORS for _, reason in _waiting(pod)):
                times.append(self.since.setdefault(uid, now))
            else:
                self.since.pop(uid, None)
        return min(times, default=None)

    def forget_all_but(self, pods: Iterable[Manifest]) -> None:
        """Forget the pods that are not among these: they are gone."""
        there = {uid_of(pod) for pod in pods}
        self.since = {uid: at for uid, at in self.since.items() if uid in there}


@dataclass(frozen=True, slots=True)
class Listed:
    """The ready endpoints behind a Service, by pod name or address."""

    ready: frozenset[str]

    def lists(self, pod: Manifest) -> bool:
        """Return whether the pod is among the ready ones."""
        return bool(_identities(pod) & self.ready)


def listed_behind(cluster: Cluster, namespace: str, service: str) -> Listed:
    """Return the endpoints of a Service's slices. One whose `ready` is not told counts as ready (API reference)."""
    ready: set[str] = set()
    for slice_ in cluster.list(ENDPOINT_SLICE, namespace, {"kubernetes.io/service-name": service}):
        for endpoint in slice_.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                ready.add(_endpoint(endpoint))
    return Listed(frozenset(ready))


def _endpoint(endpoint: Mapping[str, object]) -> str:
    reference = endpoint.get("targetRef")
    if isinstance(reference, Mapping) and reference.get("name"):
        return f"pod/{reference['name']}"
    addresses = endpoint.get("addresses")
    return str(addresses[0]) if isinstance(addresses, Sequence) and addresses else ""


def _identities(pod: Manifest) -> set[str]:
    address = (pod.get("status") or {}).get("podIP")
    return {f"pod/{pod['metadata']['name']}", *([str(address)] if address else [])}


def lists_no_other(listed: Listed, pods: Iterable[Manifest]) -> bool:
    """Return whether a Service has no ready endpoint that is not one of these pods; it may have none."""
    return listed.ready <= set().union(*(_identities(pod) for pod in pods))


def is_over(pod: Manifest) -> bool:
    """Return whether a pod runs no more (evicted, finished): it is there only to be read."""
    return (pod.get("status") or {}).get("phase") in OVER


def is_ready(pod: Manifest) -> bool:
    """Return whether a pod takes traffic: Ready, and not on its way out."""
    if pod["metadata"].get("deletionTimestamp") or is_over(pod):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def of_hash(pods: Iterable[Manifest], template_hash: str) -> list[Manifest]:
    """Return the pods of one ReplicaSet; none for an unknown hash."""
    return [pod for pod in pods if template_hash and labels_of(pod).get(HASH_LABEL) == template_hash]


def trouble(pods: Sequence[Manifest], replica_set: Manifest | None, pull_error_since: datetime | None) -> Trouble:
    """Return what is wrong with the pods of one ReplicaSet, in words that name pod, container and reason."""
    worst, words = 0, _replica_failure(replica_set)
    for pod in pods:
        for name, count, reason in _containers(pod):
            if reason and (not words or count > worst):
                words = f"pod {pod['metadata']['name']}, container {name}: {reason}, {count} restarts"
            worst = max(worst, count)
    return Trouble(restarts=worst, pull_error_since=pull_error_since, because=words)


def _replica_failure(replica_set: Manifest | None) -> str:
    conditions = ((replica_set or {}).get("status") or {}).get("conditions") or ()
    for one in conditions:
        if replica_set and one["type"] == "ReplicaFailure" and one["status"] == "True":
            return f"ReplicaSet {replica_set['metadata']['name']}: {one.get('reason', '')}: {one.get('message', '')}"
    return ""


def _containers(pod: Manifest) -> Iterable[tuple[str, int, str]]:
    """Yield name, restarts and what is wrong ("" for nothing) of each container of a pod, init containers too."""
    waiting = dict(_waiting(pod))
    for status in _statuses(pod):
        ended = (status.get("lastState") or {}).get("terminated") or (status.get("state") or {}).get("terminated") or {}
        reason = waiting.get(status["name"], "") or (str(ended.get("reason", "")) if status.get("restartCount") else "")
        yield status["name"], int(status.get("restartCount") or 0), reason


def _waiting(pod: Manifest) -> Iterable[tuple[str, str]]:
    starting = ("ContainerCreating", "PodInitializing")
    for status in _statuses(pod):
        reason = str(((status.get("state") or {}).get("waiting") or {}).get("reason", ""))
        if reason and reason not in starting:
            yield status["name"], reason


def _statuses(pod: Manifest) -> list[Mapping[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
