"""Garbage collection: what happens to the objects that a deleted object owned, and to those in a deleted namespace.

As the controller manager does it: background and foreground deletion, orphaning, terminating namespaces.
"""

from __future__ import annotations

from typing import Any

from canary.ports import NAMESPACE, Change, Propagation, Watched
from canary.sandbox.managed import Writer
from canary.sandbox.objects import owner_uids
from canary.sandbox.store import FOREGROUND, ORPHAN, Store
from canary.sandbox.worklist import Worklist
from meshes.contract import Manifest, ObjectRef

_WRITER = Writer(manager="garbage-collector")


class GarbageCollector:
    """Listens to a store and deletes what nobody owns any more, `delay` seconds after the event."""

    def __init__(self, store: Store, delay: float = 0.05) -> None:
        self._store = store
        self._work = Worklist(self._collect, delay)
        store.listen(self._notice)

    def close(self) -> None:
        """Stop collecting."""
        self._work.close()

    def _notice(self, event: Watched) -> None:
        objects = self._store.objects
        if event.change is Change.DELETED:
            for dependent in objects.dependents(event.manifest["metadata"]["uid"]):
                self._work.add(dependent)
            for owner in map(objects.find, owner_uids(event.manifest)):
                if owner is not None:
                    self._work.add(owner)
            self._work.add(ObjectRef(NAMESPACE, "", event.ref.namespace))
        elif "deletionTimestamp" in event.manifest["metadata"] or owner_uids(event.manifest):
            self._work.add(event.ref)

    def _collect(self, ref: ObjectRef) -> None:
        manifest = self._store.get(ref)
        if manifest is None:
            return
        finalizers = manifest["metadata"].get("finalizers") or ()
        if "deletionTimestamp" not in manifest["metadata"]:
            self._check_owners(ref, manifest)
        elif ref.kind == NAMESPACE:
            self._empty(ref)
        elif ORPHAN in finalizers:
            self._orphan_dependents(ref, manifest)
        elif FOREGROUND in finalizers:
            self._delete_dependents(ref, manifest)

    def _check_owners(self, ref: ObjectRef, manifest: Manifest) -> None:
        owners = manifest["metadata"].get("ownerReferences") or []
        present = [owner for owner in owners if self._store.objects.find(owner["uid"])]
        if owners and not present:
            self._store.delete(ref, Propagation.BACKGROUND)
        elif len(present) < len(owners):
            self._store.patch(ref, {"metadata": {"ownerReferences": present}}, _WRITER)

    def _empty(self, namespace: ObjectRef) -> None:
        inside = self._store.objects.inside(namespace.name)
        for ref in inside:
            if "deletionTimestamp" not in self._meta(ref):
                self._store.delete(ref, Propagation.BACKGROUND)
        if not self._store.objects.inside(namespace.name):
            self._store.remove(namespace)

    def _orphan_dependents(self, ref: ObjectRef, manifest: Manifest) -> None:
        uid = manifest["metadata"]["uid"]
        for dependent in self._store.objects.dependents(uid):
            owners = self._meta(dependent)["ownerReferences"]
            left = [owner for owner in owners if owner["uid"] != uid]
            self._store.patch(dependent, {"metadata": {"ownerReferences": left}}, _WRITER)
        self._release(ref, manifest, ORPHAN)

    def _delete_dependents(self, ref: ObjectRef, manifest: Manifest) -> None:
        uid = manifest["metadata"]["uid"]
        for dependent in self._store.objects.dependents(uid):
            meta = self._meta(dependent)
            if "deletionTimestamp" not in meta:
                owns = bool(self._store.objects.dependents(meta["uid"]))
                self._store.delete(dependent, Propagation.FOREGROUND if owns else Propagation.BACKGROUND)
        if not any(self._blocks(dependent, uid) for dependent in self._store.objects.dependents(uid)):
            self._release(ref, manifest, FOREGROUND)

    def _blocks(self, dependent: ObjectRef, uid: str) -> bool:
        owners = self._meta(dependent)["ownerReferences"]
        return any(owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in owners)

    def _release(self, ref: ObjectRef, manifest: Manifest, finalizer: str) -> None:
        left = [each for each in manifest["metadata"]["finalizers"] if each != finalizer]
        self._store.patch(ref, {"metadata": {"finalizers": left}}, _WRITER)

    def _meta(self, ref: ObjectRef) -> dict[str, Any]:
        manifest = self._store.get(ref)
        return dict(manifest["metadata"]) if manifest is not None else {}
