"""A HorizontalPodAutoscaler without metrics: it enforces its bounds, and refuses when two select the same pods.

That is what canary meets of the real one (tried): an HPA whose metrics are missing still enforces minReplicas and
maxReplicas at its first sync, and two whose targets' selectors overlap both go AmbiguousSelector.
"""

from __future__ import annotations

from typing import Any

from canary.ports import DEPLOYMENT, HPA, POD, Change, Watched, ref_of
from canary.sandbox.clock import stamp
from canary.sandbox.conditions import Condition, condition, with_condition
from canary.sandbox.managed import Writer
from canary.sandbox.owners import labels_of
from canary.sandbox.rolling import wanted
from canary.sandbox.selectors import matches
from canary.sandbox.store import Store
from canary.sandbox.worklist import Worklist
from meshes.contract import Manifest, ObjectRef

SYNC = 15.0
"""Seconds between an event and the sync that answers it: the real one looks every 15 s."""

_SPEC = Writer(manager="kube-controller-manager", subresource="")
_STATUS = Writer(manager="kube-controller-manager", subresource="status")


class Autoscaler:
    """Scales the Deployments that HorizontalPodAutoscalers point at."""

    def __init__(self, store: Store, delay: float = SYNC) -> None:
        self._store = store
        self._work = Worklist(self._sync, delay)
        store.listen(self._notice)

    def close(self) -> None:
        """Stop working."""
        self._work.close()

    def _notice(self, event: Watched) -> None:
        if event.ref.kind == HPA and event.change is not Change.DELETED:
            self._work.add(event.ref)
        elif event.ref.kind in (DEPLOYMENT, HPA) or (event.ref.kind == POD and event.change is not Change.MODIFIED):
            for each in self._store.list(HPA, event.ref.namespace):
                self._work.add(ref_of(each))

    def _sync(self, ref: ObjectRef) -> None:
        autoscaler = self._store.get(ref)
        if autoscaler is None:
            return
        target = self._target(autoscaler)
        if target is None:
            says = condition("AbleToScale", "False", "FailedGetScale", "the target of scaleTargetRef was not found")
            self._write_status(autoscaler, says, 0, 0)
            return
        size = wanted(target)
        if rivals := self._rivals(autoscaler, target):
            names = " ".join(sorted(rivals))
            says = condition("ScalingActive", "False", "AmbiguousSelector", f"pods are controlled by multiple: {names}")
            self._write_status(autoscaler, says, size, 0)
        elif size == 0:
            text = "scaling is disabled since the replica count of the target is zero"
            self._write_status(autoscaler, condition("ScalingActive", "False", "ScalingDisabled", text), 0, 0)
        else:
            spec = autoscaler["spec"]
            goal = max(spec["minReplicas"], min(spec["maxReplicas"], size))
            self._store.patch(ref_of(target), {"spec": {"replicas": goal}}, _SPEC)
            text = "the HPA was unable to compute the replica count: no metrics in this cluster"
            says = condition("ScalingActive", "False", "FailedGetResourceMetric", text)
            self._write_status(autoscaler, says, size, goal)

    def _target(self, autoscaler: Manifest) -> Manifest | None:
        to = autoscaler["spec"]["scaleTargetRef"]
        if to.get("kind") != DEPLOYMENT.kind:
            return None
        return self._store.get(ObjectRef(DEPLOYMENT, autoscaler["metadata"]["namespace"], to["name"]))

    def _rivals(self, autoscaler: Manifest, target: Manifest) -> set[str]:
        """The HPAs that control the same pods, this one included; empty when this one is alone."""
        namespace = autoscaler["metadata"]["namespace"]
        pods = [pod for pod in self._store.list(POD, namespace) if matches(target["spec"]["selector"], labels_of(pod))]
        names = set()
        for other in self._store.list(HPA, namespace):
            selects = self._target(other)
            if selects and any(matches(selects["spec"]["selector"], labels_of(pod)) for pod in pods):
                names.add(str(other["metadata"]["name"]))
        return names if names - {autoscaler["metadata"]["name"]} else set()

    def _write_status(self, autoscaler: Manifest, says: Condition, current: int, desired: int) -> None:
        old = autoscaler.get("status", {}).get("conditions") or ()
        conditions = with_condition(old, says, stamp(self._store.clock.now()), updated=False)
        status: dict[str, Any] = {"currentReplicas": current, "desiredReplicas": desired, "conditions": conditions}
        self._store.patch(ref_of(autoscaler), {"status": status}, _STATUS)
