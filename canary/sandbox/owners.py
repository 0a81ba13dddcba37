"""Which objects a simulated controller holds: it adopts orphans that match its selector and lets go what does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.ports import ref_of
from canary.sandbox.managed import Writer
from canary.sandbox.selectors import is_empty, matches
from canary.sandbox.store import Store
from meshes.contract import Kind, Manifest


def owner_reference(owner: Manifest) -> dict[str, Any]:
    """Return the ownerReference by which a controller marks an object as its own."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_uid(manifest: Manifest) -> str:
    """Return the uid of the object's controlling owner, "" when it has none."""
    return str((_controller(manifest) or {}).get("uid", ""))


def labels_of(manifest: Manifest) -> Mapping[str, str]:
    """Return the object's labels, empty when it has none."""
    labels: Mapping[str, str] = manifest["metadata"].get("labels") or {}
    return labels


def is_deleted(manifest: Manifest) -> bool:
    """Whether the object has been deleted and waits for its finalizers."""
    return "deletionTimestamp" in manifest["metadata"]


def claimed(store: Store, owner: Manifest, kind: Kind, writer: Writer) -> list[Manifest]:
    """Return the objects of a kind that the owner controls, oldest first, after adoption and release."""
    selector, uid = owner["spec"]["selector"], owner["metadata"]["uid"]
    mine = []
    for ref in store.objects.dependents(uid):
        held = store.get(ref)
        if held is None or ref.kind != kind or controller_uid(held) != uid:
            continue
        if matches(selector, labels_of(held)):
            mine.append(held)
        elif not is_deleted(owner):
            left = [each for each in held["metadata"]["ownerReferences"] if each["uid"] != uid]
            store.patch(ref, {"metadata": {"ownerReferences": left}}, writer)
    if not is_deleted(owner) and not is_empty(selector):
        mine += _adopted(store, owner, kind, writer)
    return sorted(mine, key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]))


def _adopted(store: Store, owner: Manifest, kind: Kind, writer: Writer) -> list[Manifest]:
    orphans = [store.require(ref) for ref in store.objects.ownerless(kind, owner["metadata"]["namespace"])]
    return [
        store.patch(ref_of(orphan), {"metadata": {"ownerReferences": [owner_reference(owner)]}}, writer)
        for orphan in orphans
        if matches(owner["spec"]["selector"], labels_of(orphan)) and not is_deleted(orphan)
    ]


def _controller(manifest: Manifest) -> Mapping[str, Any] | None:
    owners = manifest["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)
