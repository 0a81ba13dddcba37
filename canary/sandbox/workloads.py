"""The Deployment controller of the simulated cluster.

It follows what was tried on Kubernetes 1.36: the order of its decisions matters to canary (a change of size is dealt
with before a new template, a pause stops new ReplicaSets but not scaling). Sizes are computed in `rolling.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from canary.errors import AlreadyExists, NotFound, Rejected
from canary.index import Index
from canary.ports import DEPLOYMENT, POD, REPLICA_SET, Change, Propagation, Watched, ref_of
from canary.sandbox.clock import stamp
from canary.sandbox.conditions import condition, find, with_condition
from canary.sandbox.deployment_status import (
    View,
    counted,
    has_deadline,
    is_complete,
    progressed,
    seconds_to_deadline,
)
from canary.sandbox.managed import Writer
from canary.sandbox.owners import claimed, controller_uid, is_deleted, labels_of, owner_reference
from canary.sandbox.rolling import DESIRED, MAX, Sizes, annotated, is_scaling, max_surge, new_size, old_sizes, wanted
from canary.sandbox.rolling import scaled_sizes as resized
from canary.sandbox.selectors import is_empty, matches
from canary.sandbox.store import ALPHABET, Store
from canary.sandbox.worklist import Worklist
from meshes.contract import Manifest, ObjectRef

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    DESIRED,
    MAX,
)
_SPEC = Writer(manager="kube-controller-manager")
_STATUS = Writer(manager="kube-controller-manager", subresource="status")


def template_hash(template: Mapping[str, Any], collisions: int = 0) -> str:
    """Return the pod-template-hash of a pod template: ten characters, the same for equal templates."""
    text = json.dumps([without_hash(template), collisions], sort_keys=True)
    digest = hashlib.sha256(text.encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:10])


def without_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template as the Deployment has it: without the label that its ReplicaSet adds."""
    meta = dict(template.get("metadata") or {})
    meta["labels"] = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH_LABEL}
    return {**template, "metadata": meta}


def _recreated(deployment: Manifest) -> Iterable[Hashable]:
    return [deployment["metadata"]["namespace"]] if deployment["spec"]["strategy"]["type"] == "Recreate" else []


RECREATED = Index(name="recreated", kind=DEPLOYMENT, keys=_recreated)
"""The Deployments that wait for their old pods to end, by namespace: few, and no other's selector is looked at."""


class DeploymentController:
    """Turns Deployments into ReplicaSets, `delay` seconds after each event that concerns one."""

    def __init__(self, store: Store, delay: float = 0.02) -> None:
        self._store = store
        self._work = Worklist(self._sync, delay)
        store.listen(self._notice)

    def close(self) -> None:
        """Stop working."""
        self._work.close()

    def _notice(self, event: Watched) -> None:
        if event.ref.kind == DEPLOYMENT:
            self._work.add(event.ref)
        elif event.ref.kind == REPLICA_SET:
            self._notice_set(event)
        elif event.ref.kind == POD and event.change is Change.DELETED:
            for deployment in self._selecting(event, self._store.objects.indexed(RECREATED, [event.ref.namespace])):
                self._work.add(ref_of(deployment))

    def _notice_set(self, event: Watched) -> None:
        owner = self._store.objects.find(controller_uid(event.manifest))
        if owner is not None:
            self._work.add(owner)
        elif not controller_uid(event.manifest):
            for deployment in self._selecting(event, self._store.list(DEPLOYMENT, event.ref.namespace)):
                self._work.add(ref_of(deployment))

    @staticmethod
    def _selecting(event: Watched, deployments: Sequence[Manifest]) -> list[Manifest]:
        labels = labels_of(event.manifest)
        return [each for each in deployments if matches(each["spec"]["selector"], labels)]

    def _sync(self, ref: ObjectRef) -> None:
        deployment = self._store.get(ref)
        if deployment is None or is_empty(deployment["spec"]["selector"]):
            return
        view = self._view(deployment)
        if is_deleted(deployment):
            self._write_status(view, counted(view, self._store.clock.now()))
            return
        view = self._noted_pause(view)
        if deployment["spec"].get("paused") or is_scaling(deployment, view.sets):
            view = self._synced(view)
            view = self._sized(view, resized(view.deployment, view.new, view.olds))
            self._write_status(view, counted(view, self._store.clock.now()))
        elif deployment["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(view)
        else:
            self._roll(view)

    def _view(self, deployment: Manifest) -> View:
        sets = claimed(self._store, deployment, REPLICA_SET, _SPEC)
        template = without_hash(deployment["spec"]["template"])
        new = next((each for each in sets if without_hash(each["spec"]["template"]) == template), None)
        return View(deployment=deployment, new=new, olds=[each for each in sets if each is not new])

    def _roll(self, view: View) -> None:
        view = self._with_new_set(view)
        new = view.new
        if new is not None:
            size = new_size(view.deployment, new, view.olds)
            grows = size != wanted(new)
            sizes = {new["metadata"]["name"]: size} if grows else old_sizes(view.deployment, new, view.olds)
            view = self._sized(view, sizes)
        self._finish(view)

    def _recreate(self, view: View) -> None:
        view = self._synced(view)
        if any(map(wanted, view.olds)):
            view = self._sized(view, {each["metadata"]["name"]: 0 for each in view.olds})
        elif not self._old_pods_run(view):
            view = self._with_new_set(view)
            if view.new is not None:
                view = self._sized(view, {view.new["metadata"]["name"]: wanted(view.deployment)})
        self._finish(view)

    def _old_pods_run(self, view: View) -> bool:
        owners = {each["metadata"]["uid"] for each in view.olds}
        pods = [self._store.require(ref) for uid in owners for ref in self._store.objects.dependents(uid)]
        return any(pod.get("status", {}).get("phase") not in ("Failed", "Succeeded") for pod in pods)

    def _finish(self, view: View) -> None:
        if is_complete(view.deployment, view.deployment.get("status", {})):
            self._clean(view)
        view = self._view(self._store.require(ref_of(view.deployment)))
        self._write_status(view, progressed(view, self._store.clock.now()))

    def _clean(self, view: View) -> None:
        idle = [each for each in view.olds if not wanted(each) and not each.get("status", {}).get("replicas")]
        ordered = sorted(idle, key=lambda each: annotated(each, REVISION) or 0)
        surplus = len(ordered) - view.deployment["spec"].get("revisionHistoryLimit", 10)
        for each in ordered[: max(0, surplus)]:
            if not is_deleted(each):
                self._store.delete(ref_of(each), Propagation.BACKGROUND)

    def _with_new_set(self, view: View) -> View:
        if view.new is not None:
            return self._synced(view)
        try:
            new = self._store.create(self._new_set(view), _SPEC)
        except AlreadyExists:
            self._collided(view.deployment)
            return view
        except (NotFound, Rejected) as refused:
            self._say(view.deployment, "False", "ReplicaSetCreateError", str(refused))
            return view
        message = f'Created new replica set "{new["metadata"]["name"]}"'
        self._say(view.deployment, "True", "NewReplicaSetCreated", message)
        return self._synced(replace(view, deployment=self._store.require(ref_of(view.deployment)), new=new))

    def _new_set(self, view: View) -> dict[str, Any]:
        deployment, spec = view.deployment, view.deployment["spec"]
        template = without_hash(spec["template"])
        hash_ = template_hash(template, deployment.get("status", {}).get("collisionCount", 0))
        labels = {**template["metadata"]["labels"], HASH_LABEL: hash_}
        template["metadata"]["labels"] = labels
        selector = {**spec["selector"], "matchLabels": {**spec["selector"].get("matchLabels", {}), HASH_LABEL: hash_}}
        size = new_size(deployment, None, view.olds)
        return {
            "apiVersion": deployment["apiVersion"],
            "kind": REPLICA_SET.kind,
            "metadata": {
                "name": f"{deployment['metadata']['name']}-{hash_}",
                "namespace": deployment["metadata"]["namespace"],
                "labels": labels,
                "annotations": {**self._copied(view, None), **_sized_for(deployment)},
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {
                "replicas": size,
                "minReadySeconds": spec.get("minReadySeconds", 0),
                "selector": selector,
                "template": template,
            },
        }

    def _collided(self, deployment: Manifest) -> None:
        count = deployment.get("status", {}).get("collisionCount", 0) + 1
        self._store.patch(ref_of(deployment), {"status": {"collisionCount": count}}, _STATUS)

    def _synced(self, view: View) -> View:
        """Bring annotations and revision of the newest ReplicaSet (if any) and of the Deployment up to date."""
        if view.new is None:
            return view
        patch = {
            "metadata": {"annotations": self._copied(view, view.new)},
            "spec": {"minReadySeconds": view.deployment["spec"].get("minReadySeconds")},
        }
        new = self._store.patch(ref_of(view.new), patch, _SPEC)
        revision = new["metadata"]["annotations"][REVISION]
        told = {"metadata": {"annotations": {REVISION: revision}}}
        deployment = self._store.patch(ref_of(view.deployment), told, _STATUS)
        if has_deadline(deployment) and find(deployment.get("status", {}), "Progressing") is None:
            name = new["metadata"]["name"]
            deployment = self._say(deployment, "True", "FoundNewReplicaSet", f'Found new replica set "{name}"')
        return replace(view, deployment=deployment, new=new)

    def _copied(self, view: View, new: Manifest | None) -> dict[str, str]:
        annotations = view.deployment["metadata"].get("annotations") or {}
        copied = {key: value for key, value in annotations.items() if key not in _NOT_COPIED}
        newest = 1 + max((annotated(each, REVISION) or 0 for each in view.olds), default=0)
        return {**copied, REVISION: str(max(newest, (annotated(new, REVISION) or 0) if new else 0))}

    def _sized(self, view: View, sizes: Sizes) -> View:
        marks = _sized_for(view.deployment)
        for each in view.sets:
            size = sizes.get(each["metadata"]["name"])
            if size is not None and (
                size != wanted(each) or (size and annotated(each, DESIRED) != int(marks[DESIRED]))
            ):
                patch = {"metadata": {"annotations": marks}, "spec": {"replicas": size}}
                self._store.patch(ref_of(each), patch, _SPEC)
        return self._view(self._store.require(ref_of(view.deployment)))

    def _noted_pause(self, view: View) -> View:
        deployment = view.deployment
        says = find(deployment.get("status", {}), "Progressing")
        noted = says is not None and says["reason"] == "DeploymentPaused"
        paused = bool(deployment["spec"].get("paused"))
        timed_out = says is not None and says["reason"] == "ProgressDeadlineExceeded"
        if not has_deadline(deployment) or timed_out or paused == noted:
            return view
        reason, message = ("DeploymentPaused", "paused") if paused else ("DeploymentResumed", "resumed")
        return replace(view, deployment=self._say(deployment, "Unknown", reason, f"Deployment is {message}"))

    def _say(self, deployment: Manifest, status: str, reason: str, message: str) -> Manifest:
        live = self._store.require(ref_of(deployment))
        says = condition("Progressing", status, reason, message)
        old = live.get("status", {}).get("conditions") or ()
        conditions = with_condition(old, says, stamp(self._store.clock.now()), updated=True)
        return self._store.patch(ref_of(live), {"status": {"conditions": conditions}}, _STATUS)

    def _write_status(self, view: View, status: dict[str, Any]) -> None:
        gone = {key: None for key in view.deployment.get("status", {}) if key not in status}
        live = self._store.patch(ref_of(view.deployment), {"status": {**gone, **status}}, _STATUS)
        left = seconds_to_deadline(live, self._store.clock.now())
        if left is not None:
            self._work.add(ref_of(live), after=max(0.0, left) + 1)


def _sized_for(deployment: Manifest) -> dict[str, str]:
    """The marks on a ReplicaSet from which a later change of the Deployment's size is seen."""
    goal = wanted(deployment)
    return {DESIRED: str(goal), MAX: str(goal + max_surge(deployment))}
