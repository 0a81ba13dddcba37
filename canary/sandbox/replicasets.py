"""The ReplicaSet controller of the simulated cluster: keeps as many pods as each ReplicaSet asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from canary.errors import NotFound, Rejected
from canary.ports import POD, REPLICA_SET, Propagation, Watched, ref_of
from canary.sandbox.clock import parse, stamp
from canary.sandbox.conditions import Condition, condition, find, with_condition, without_condition
from canary.sandbox.managed import Writer
from canary.sandbox.owners import claimed, controller_uid, is_deleted, labels_of, owner_reference
from canary.sandbox.rolling import wanted
from canary.sandbox.selectors import matches
from canary.sandbox.store import Store
from canary.sandbox.worklist import Worklist
from meshes.contract import Manifest, ObjectRef

_SPEC = Writer(manager="kube-controller-manager")
_STATUS = Writer(manager="kube-controller-manager", subresource="status")
RETRY = 10.0
"""Seconds after which pods that were refused (a quota) are asked for again."""


def is_active(pod: Manifest) -> bool:
    """Whether a pod counts: neither ended nor deleted."""
    return not is_deleted(pod) and pod.get("status", {}).get("phase") not in ("Failed", "Succeeded")


def is_ready(pod: Manifest) -> bool:
    """Whether the pod's condition Ready is True."""
    says = find(pod.get("status", {}), "Ready")
    return says is not None and says["status"] == "True"


def seconds_to_available(pod: Manifest, min_ready_seconds: int, now: datetime) -> float | None:
    """Return how long until a pod counts as available: 0 or less when it is, None while it is not ready."""
    says = find(pod.get("status", {}), "Ready")
    if says is None or says["status"] != "True":
        return None
    return (parse(says["lastTransitionTime"]) + timedelta(seconds=min_ready_seconds) - now).total_seconds()


class ReplicaSetController:
    """Makes and deletes pods, `delay` seconds after each event that concerns a ReplicaSet."""

    def __init__(self, store: Store, delay: float = 0.02) -> None:
        self._store = store
        self._work = Worklist(self._sync, delay)
        store.listen(self._notice)

    def close(self) -> None:
        """Stop working."""
        self._work.close()

    def _notice(self, event: Watched) -> None:
        if event.ref.kind == REPLICA_SET:
            self._work.add(event.ref)
        elif event.ref.kind == POD:
            owner = self._store.objects.find(controller_uid(event.manifest))
            if owner is not None and owner.kind == REPLICA_SET:
                self._work.add(owner)
            elif not controller_uid(event.manifest):
                self._notice_orphan(event)

    def _notice_orphan(self, event: Watched) -> None:
        for each in self._store.list(REPLICA_SET, event.ref.namespace):
            if matches(each["spec"]["selector"], labels_of(event.manifest)):
                self._work.add(ref_of(each))

    def _sync(self, ref: ObjectRef) -> None:
        replica_set = self._store.get(ref)
        if replica_set is None:
            return
        failure: Condition | None = None
        if not is_deleted(replica_set):
            failure = self._resize(replica_set)
        self._write_status(self._store.require(ref), failure)

    def _pods(self, replica_set: Manifest) -> list[Manifest]:
        return [pod for pod in claimed(self._store, replica_set, POD, _SPEC) if is_active(pod)]

    def _resize(self, replica_set: Manifest) -> Condition | None:
        """Make or delete pods; return why not all could be made."""
        pods = self._pods(replica_set)
        for _ in range(wanted(replica_set) - len(pods)):
            try:
                self._store.create(_pod(replica_set), _SPEC)
            except (NotFound, Rejected) as refused:
                self._work.add(ref_of(replica_set), after=RETRY)
                return condition("ReplicaFailure", "True", "FailedCreate", str(refused))
        for pod in sorted(pods, key=_worth)[: max(0, len(pods) - wanted(replica_set))]:
            self._store.delete(ref_of(pod), Propagation.BACKGROUND)
        return None

    def _write_status(self, replica_set: Manifest, failure: Condition | None) -> None:
        now = self._store.clock.now()
        pods = self._pods(replica_set)
        waits = [seconds_to_available(pod, replica_set["spec"].get("minReadySeconds", 0), now) for pod in pods]
        later = [wait for wait in waits if wait is not None and wait > 0]
        if later:
            self._work.add(ref_of(replica_set), after=min(later))
        counts = {
            "readyReplicas": sum(map(is_ready, pods)),
            "availableReplicas": sum(wait is not None and wait <= 0 for wait in waits),
            "fullyLabeledReplicas": _fully_labelled(replica_set, pods),
        }
        old = replica_set.get("status", {})
        conditions = without_condition(old.get("conditions") or (), "ReplicaFailure")
        if failure:
            conditions = with_condition(old.get("conditions") or (), failure, stamp(now), updated=False)
        status: dict[str, Any] = {
            "observedGeneration": replica_set["metadata"]["generation"],
            "replicas": len(pods),
            **{name: count for name, count in counts.items() if count},
            **({"conditions": conditions} if conditions else {}),
        }
        gone = {key: None for key in old if key not in status}
        self._store.patch(ref_of(replica_set), {"status": {**gone, **status}}, _STATUS)


def _pod(replica_set: Manifest) -> dict[str, Any]:
    template = replica_set["spec"]["template"]
    meta = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": POD.kind,
        "metadata": {
            **{key: meta[key] for key in ("labels", "annotations") if meta.get(key)},
            "generateName": f"{replica_set['metadata']['name']}-",
            "namespace": replica_set["metadata"]["namespace"],
            "ownerReferences": [owner_reference(replica_set)],
        },
        "spec": template["spec"],
    }


def _worth(pod: Manifest) -> tuple[bool, bool, float]:
    """Which pods go first when there are too many: those without an IP, those not ready, then the youngest."""
    created = parse(pod["metadata"]["creationTimestamp"]).timestamp()
    return "podIP" in pod.get("status", {}), is_ready(pod), -created


def _fully_labelled(replica_set: Manifest, pods: Sequence[Manifest]) -> int:
    labels = (replica_set["spec"]["template"].get("metadata") or {}).get("labels") or {}
    return sum(matches({"matchLabels": labels}, labels_of(pod)) for pod in pods)
