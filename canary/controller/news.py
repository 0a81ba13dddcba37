"""Which changes of an object are news: many are of fields that nobody looks at, such as a controller's own counts.

Kept for each object is its newest state, which the caches have anyway: it also tells how much of a hurry a change is.
Not its job: whom a change concerns (watch).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from canary.controller.haste import Haste, haste_of
from canary.ports import DEPLOYMENT, ENDPOINT_SLICE, POD, REPLICA_SET, Change, Watched
from meshes.contract import Kind, Manifest, ObjectRef

COUNTS = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas")
"""What is looked at of a Deployment's status (sides)."""


class News:
    """The newest states of Deployments, ReplicaSets, pods and EndpointSlices."""

    def __init__(self) -> None:
        self._newest: dict[ObjectRef, Manifest] = {}

    def __len__(self) -> int:
        """The number of objects of which a state is kept."""
        return len(self._newest)

    def of(self, event: Watched) -> Haste | None:
        """Return how much of a hurry an event is; None when it tells nothing that a pass looks at.

        Of other kinds all tell something, and so does each first sight.
        """
        read = _READ.get(event.ref.kind)
        if read is None:
            return haste_of(event, None)
        before = self._newest.pop(event.ref, None)
        if event.change is Change.DELETED:
            return Haste.REST
        self._newest[event.ref] = event.manifest
        if before is not None and _read_of(before, read) == _read_of(event.manifest, read):
            return None
        return haste_of(event, before)


def _read_of(manifest: Manifest, read: Callable[[Manifest], Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"identity": _identity(manifest), "read": read(manifest)}


def _identity(manifest: Manifest) -> dict[str, Any]:
    """Return the metadata without its version, and of who wrote what all that is no status."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "resourceVersion"}
    writers = metadata.pop("managedFields", None) or ()
    return {**metadata, "writers": [one for one in writers if not one.get("subresource")]}


def _whole(manifest: Manifest) -> dict[str, Any]:
    return {name: value for name, value in manifest.items() if name != "metadata"}


def _replica_set(manifest: Manifest) -> Mapping[str, Any]:
    return {**_whole(manifest), "status": (manifest.get("status") or {}).get("conditions") or ()}


def _deployment(manifest: Manifest) -> Mapping[str, Any]:
    status = manifest.get("status") or {}
    return {**_whole(manifest), "status": [status.get(name, 0) for name in COUNTS]}


_READ: Mapping[Kind, Callable[[Manifest], Mapping[str, Any]]] = {
    DEPLOYMENT: _deployment,
    REPLICA_SET: _replica_set,
    POD: _whole,
    ENDPOINT_SLICE: _whole,
}
