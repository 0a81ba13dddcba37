"""The rules by which an API server keeps objects: versions, preconditions, status apart from spec, finalizers.

Synchronous and without caches. Who calls, what it costs and when others learn of it is `cluster.py`'s job;
what follows from a write (garbage collection, controllers) listens to its events.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canary.errors import AlreadyExists, Conflict, NotFound, Rejected
from canary.ports import NAMESPACE, POD, SERVICE, Change, Clock, Propagation, Watched
from canary.sandbox.clock import stamp
from canary.sandbox.defaults import defaulted
from canary.sandbox.kinds import BUILT_IN, CUSTOM, Served
from canary.sandbox.managed import Writer, managed_fields
from canary.sandbox.merge import merge_patch, without_nulls
from canary.sandbox.objects import Objects
from canary.sandbox.validation import refusal, validate
from canary.sandbox.writes import SERVER_OWNED, check_finalizers, through, wanted, within
from meshes.contract import Kind, Manifest, ObjectRef

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes generated names and hashes of: nothing that reads as a word."""
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_EMPTY_IS_ABSENT = ("labels", "annotations", "finalizers", "ownerReferences")
_FIRST_STATUS: dict[Kind, dict[str, Any]] = {POD: {"phase": "Pending"}, NAMESPACE: {"phase": "Active"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """What must still hold for a delete; "" asks nothing."""

    uid: str = ""
    resource_version: str = ""


class Store:
    """Every object of the cluster. Manifests that it returns are shared: nobody changes them in place."""

    def __init__(self, clock: Clock, *, seed: int = 0) -> None:
        self.clock = clock
        self.kinds: dict[Kind, Served] = {**BUILT_IN, **CUSTOM}
        self.admission: list[Callable[[Manifest, Manifest | None], None]] = []
        self.objects = Objects()
        self._listeners: list[Callable[[Watched], None]] = []
        self._random = random.Random(seed)
        self._version = 0
        self._addresses = 0
        self._kept_as: dict[ObjectRef, Served] = {}

    def listen(self, listener: Callable[[Watched], None]) -> None:
        """Call `listener` at once with each change, within the write that makes it."""
        self._listeners.append(listener)

    def get(self, ref: ObjectRef) -> Manifest | None:
        """Return the object as it is, None when there is none."""
        return self.objects.get(ref)

    def require(self, ref: ObjectRef) -> Manifest:
        """Return the object as it is; NotFound when there is none."""
        live = self.objects.get(ref)
        if live is None:
            raise NotFound(f'{ref.kind} "{ref.name}" not found in namespace "{ref.namespace}"')
        return live

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> list[Manifest]:
        """Return the objects of a kind, of one namespace or of all (""), that carry all of `labels`."""
        return self.objects.listed(kind, namespace, labels or {})

    def generated(self, prefix: str) -> str:
        """Return a name as generateName makes it: the prefix, cut to 58 characters, and five random ones."""
        return prefix[:58] + "".join(self._random.choices(ALPHABET, k=5))

    def create(self, manifest: Manifest, writer: Writer) -> Manifest:
        """Create the object; AlreadyExists, NotFound (namespace or kind) or Rejected when that cannot be."""
        body = without_nulls(manifest)
        served = self.served(self.kind_of(body))
        meta = body.setdefault("metadata", {})
        if meta.get("resourceVersion"):
            raise Rejected("resourceVersion should not be set on objects to be created")
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = self.generated(meta["generateName"])
        if not meta.get("name"):
            raise Rejected(f"{body['kind']}: metadata.name: Required value: name or generateName is required")
        ref = self.locate(body)
        self._check_namespace(ref)
        for key in (*SERVER_OWNED, "managedFields", "selfLink"):
            meta.pop(key, None)
        if served.status:
            body.pop("status", None)
        new = self._prepared(ref.kind, body, None)
        if self.objects.get(ref) is not None:
            raise AlreadyExists(f'{ref.kind} "{ref.name}" already exists')
        now = stamp(self.clock.now())
        new["metadata"] |= {"uid": str(UUID(int=self._random.getrandbits(128), version=4)), "creationTimestamp": now}
        if served.generation:
            new["metadata"]["generation"] = 1
        if ref.kind in _FIRST_STATUS:
            new["status"] = dict(_FIRST_STATUS[ref.kind])
        new["metadata"]["managedFields"] = managed_fields(None, new, writer, now)
        return self._save(ref, new, Change.ADDED)

    def patch(self, ref: ObjectRef, patch: Manifest, writer: Writer, resource_version: str = "") -> Manifest:
        """Apply a JSON merge patch; "" for `resource_version` asks for no particular one."""
        self.served(ref.kind)
        live = self._live(ref, resource_version)
        return self._update(ref, live, merge_patch(live, patch), writer)

    def replace(self, manifest: Manifest, writer: Writer) -> Manifest:
        """Put the whole object in the place of the live one; a resourceVersion in it must still hold."""
        body = without_nulls(manifest)
        ref = self.locate(body)
        live = self._live(ref, body["metadata"].pop("resourceVersion", ""))
        return self._update(ref, live, body, writer)

    def delete(self, ref: ObjectRef, propagation: Propagation, still: Precondition | None = None) -> None:
        """Delete the object, or mark it while finalizers hold it; Conflict when `still` does not hold."""
        self.served(ref.kind)
        live = self._live(ref, still.resource_version if still else "")
        if still and still.uid and still.uid != live["metadata"]["uid"]:
            raise Conflict(f'{ref.kind} "{ref.name}": the UID in the precondition is not that of the object')
        finalizers = [one for one in live["metadata"].get("finalizers") or () if one not in (FOREGROUND, ORPHAN)]
        extra = {Propagation.FOREGROUND: FOREGROUND, Propagation.ORPHAN: ORPHAN}.get(propagation)
        if extra:  # what the newest deletion says overrides what an earlier one left
            finalizers.append(extra)
        if not finalizers and ref.kind != NAMESPACE:
            self.remove(ref)
            return
        marked = {**live, "metadata": {**live["metadata"], "finalizers": finalizers}}
        if "deletionTimestamp" not in live["metadata"]:
            marked["metadata"] |= {"deletionTimestamp": stamp(self.clock.now()), "deletionGracePeriodSeconds": 0}
            if "generation" in live["metadata"]:
                marked["metadata"]["generation"] += 1
        if ref.kind == NAMESPACE:
            marked["status"] = {"phase": "Terminating"}
        marked["metadata"] = _without_empty(marked["metadata"])
        if marked != live:
            self._save(ref, marked, Change.MODIFIED)

    def remove(self, ref: ObjectRef) -> None:
        """Take the object away now, whatever its finalizers; for garbage collection's use."""
        last = self.objects.get(ref)
        if last is None:
            return
        self.objects.drop(ref)
        self._kept_as.pop(ref, None)
        self._version += 1
        gone = {**last, "metadata": {**last["metadata"], "resourceVersion": str(self._version)}}
        self._tell(Watched(change=Change.DELETED, ref=ref, manifest=gone))

    def served(self, kind: Kind) -> Served:
        """Return how the kind is served; NotFound when it is not."""
        served = self.kinds.get(kind)
        if served is None or not served.versions:
            raise NotFound(f"the server could not find the requested resource ({kind} is not served)")
        return served

    def kind_of(self, manifest: Manifest) -> Kind:
        """Return the manifest's kind; without an apiVersion the one kind of that name that is served."""
        name = str(manifest.get("kind", ""))
        if "apiVersion" in manifest:
            return Kind(str(manifest["apiVersion"]).rpartition("/")[0], name)
        named = [kind for kind in self.kinds if kind.kind == name]
        if len(named) != 1:
            raise Rejected(f"{name}: apiVersion is missing, and {len(named)} kinds have that name")
        return named[0]

    def locate(self, manifest: Manifest) -> ObjectRef:
        """Return where the object lives: in its namespace, "default" when it names none, "" for cluster scope."""
        kind, meta = self.kind_of(manifest), manifest["metadata"]
        namespace = (meta.get("namespace") or "default") if self.served(kind).namespaced else ""
        return ObjectRef(kind, namespace, meta["name"])

    def _live(self, ref: ObjectRef, resource_version: str) -> Manifest:
        live = self.require(ref)
        if resource_version and resource_version != live["metadata"]["resourceVersion"]:
            raise Conflict(
                f'Operation cannot be fulfilled on {ref.kind} "{ref.name}": the object has been modified; '
                "please apply your changes to the latest version and try again"
            )
        return live

    def _check_namespace(self, ref: ObjectRef) -> None:
        if not ref.namespace:
            return
        space = self.objects.get(ObjectRef(NAMESPACE, "", ref.namespace))
        if space is None:
            raise NotFound(f'namespaces "{ref.namespace}" not found')
        if "deletionTimestamp" in space["metadata"]:
            raise Rejected(
                f'{ref.kind} "{ref.name}" is forbidden: unable to create new content in namespace '
                f"{ref.namespace} because it is being terminated"
            )

    def _prepared(self, kind: Kind, body: dict[str, Any], old: Manifest | None) -> dict[str, Any]:
        served = self.served(kind)
        _, _, version = str(body.get("apiVersion", "")).rpartition("/")
        if version and version not in served.versions:
            raise NotFound(f"the server could not find the requested resource ({kind} {version})")
        metadata = dict(body["metadata"])
        if served.namespaced:
            metadata.setdefault("namespace", "default")
        else:
            metadata.pop("namespace", None)
        api_version = f"{kind.group}/{served.versions[0]}" if kind.group else served.versions[0]
        if served.schema is not None:
            body = within(served.schema, body)
        new = {**body, "apiVersion": api_version, "kind": kind.kind, "metadata": _without_empty(metadata)}
        new = self._with_address(kind, defaulted(kind, new), old)
        validate(kind, new, old)
        for admit in self.admission:
            admit(new, old)
        return new

    def _with_address(self, kind: Kind, new: dict[str, Any], old: Manifest | None) -> dict[str, Any]:
        spec = new.get("spec") or {}
        if kind != SERVICE or spec.get("clusterIP") or spec.get("type") == "ExternalName":
            return new
        address = (old or {}).get("spec", {}).get("clusterIP")
        if address is None:
            self._addresses += 1
            address = f"172.20.{self._addresses >> 8 & 255}.{self._addresses & 255}"
        return {**new, "spec": {**spec, "clusterIP": address, "clusterIPs": [address]}}

    def _update(self, ref: ObjectRef, live: Manifest, body: Any, writer: Writer) -> Manifest:
        served = self.served(ref.kind)
        if self._changes_nothing(ref, live, body, writer):
            return live
        body = through(writer.subresource, served, ref.kind, body, live)
        new = self._prepared(ref.kind, body, live)
        if new["metadata"].get("name") != ref.name:
            raise refusal(live, "metadata.name", "field is immutable")
        check_finalizers(new, live)
        if new == live:
            return live
        if served.generation and not writer.subresource and wanted(ref.kind, new) != wanted(ref.kind, live):
            new["metadata"]["generation"] = live["metadata"]["generation"] + 1
        new["metadata"]["managedFields"] = managed_fields(live, new, writer, stamp(self.clock.now()))
        if "deletionTimestamp" in live["metadata"] and not new["metadata"].get("finalizers") and ref.kind != NAMESPACE:
            self.objects.put(ref, new)
            self.remove(ref)
            return new
        return self._save(ref, new, Change.MODIFIED)

    def _changes_nothing(self, ref: ObjectRef, live: Manifest, body: Any, writer: Writer) -> bool:
        """Whether a write leaves the object as it is, so that nothing is to be filled in or checked anew.

        Half of what the simulated controllers write does. What served the kind otherwise when it was kept is looked
        into, and so is a first status, which is empty and yet there.
        """
        if self._kept_as.get(ref) is not self.kinds[ref.kind] or (writer.subresource and "status" not in live):
            return False
        if body != live:
            return False
        for admit in self.admission:
            admit(body, live)
        return True

    def _save(self, ref: ObjectRef, new: dict[str, Any], change: Change) -> Manifest:
        self._version += 1
        new["metadata"]["resourceVersion"] = str(self._version)
        self.objects.put(ref, new)
        self._kept_as[ref] = self.served(ref.kind)
        self._tell(Watched(change=change, ref=ref, manifest=new))
        return new

    def _tell(self, event: Watched) -> None:
        for listener in self._listeners:
            listener(event)


def _without_empty(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key not in _EMPTY_IS_ABSENT or value}
