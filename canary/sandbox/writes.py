"""What one write to the in-memory API server may touch, and what of it counts as a change of what a user wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.ports import DEPLOYMENT
from canary.sandbox.kinds import Served
from canary.sandbox.merge import pruned
from canary.sandbox.validation import refusal
from meshes.contract import Kind, Manifest

SERVER_OWNED = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Fields of metadata that nobody writes."""


def through(subresource: str, served: Served, kind: Kind, body: Mapping[str, Any], live: Manifest) -> dict[str, Any]:
    """Return what a write may touch by its door: status alone, or all but status; never what the server keeps."""
    if subresource == "status":
        new = {**live, "status": body.get("status") or {}}
        if kind == DEPLOYMENT:  # Its status strategy takes annotations too: so the revision gets there.
            annotations = (body.get("metadata") or {}).get("annotations") or {}
            new["metadata"] = {**live["metadata"], "annotations": dict(annotations)}
        return new
    new = {key: value for key, value in body.items() if key != "status" or not served.status}
    if served.status and "status" in live:
        new["status"] = live["status"]
    kept = {key: live["metadata"][key] for key in (*SERVER_OWNED, "managedFields") if key in live["metadata"]}
    asked = {key: value for key, value in body["metadata"].items() if key not in SERVER_OWNED}
    new["metadata"] = {**asked, **kept, "resourceVersion": live["metadata"]["resourceVersion"]}
    return new


def within(schema: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body without the fields that the schema of its kind does not know."""
    own = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
    return {**{key: body[key] for key in body if key not in own}, **pruned(own, schema)}


def check_finalizers(new: Manifest, live: Manifest) -> None:
    """Raise `Rejected` for finalizers that are new on an object that is being deleted."""
    if "deletionTimestamp" not in live["metadata"]:
        return
    added = set(new["metadata"].get("finalizers") or ()) - set(live["metadata"].get("finalizers") or ())
    if added:
        problem = "Forbidden: no new finalizers can be added if the object is being deleted"
        raise refusal(new, "metadata.finalizers", f"{problem}, found new finalizers {sorted(added)}")


def wanted(kind: Kind, manifest: Manifest) -> list[Any]:
    """What generation counts: all but metadata and status; a Deployment's annotations too (tried on 1.36)."""
    asked: list[Any] = [{key: value for key, value in manifest.items() if key not in ("metadata", "status")}]
    return [*asked, manifest["metadata"].get("annotations")] if kind == DEPLOYMENT else asked
