"""By which labels an object is ours, and what to say of one that is not."""

from __future__ import annotations

from collections.abc import Mapping

from meshes.contract import Manifest, ObjectRef, Route, RouteError
from meshes.parts.document import table

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "canary-controller"
TARGET = "canary.delivery/target"


def is_ours(route: Route, live: Manifest) -> bool:
    """Say whether the object carries our labels for this very target."""
    labels = table(table(live.get("metadata")).get("labels"))
    return labels.get(MANAGED_BY) == MANAGER and labels.get(TARGET) == route.target


def our_metadata(route: Route, live: Manifest, ref: ObjectRef) -> dict[str, object]:
    """Return the metadata of our object: named as `ref` says, with our labels, all else as it is."""
    metadata: Mapping[str, object] = table(live.get("metadata"))
    labels = {**table(metadata.get("labels")), MANAGED_BY: MANAGER, TARGET: route.target}
    return {"name": ref.name, "namespace": ref.namespace, **metadata, "labels": labels}


def taken(ref: ObjectRef) -> RouteError:
    """Return the error for a foreign object of the name that ours should have."""
    return RouteError(
        "RouteConflict",
        f"{ref} is there already and is not ours: name it in the annotation canary.delivery/route if the split is to "
        "be kept in it, else rename or delete it.",
    )


def missing_users_route(route: Route, ref: ObjectRef) -> RouteError:
    """Return the error for a route object that the user named and did not write."""
    return RouteError(
        "RouteNotFound",
        f"{ref} is missing, which the annotation canary.delivery/route of {route.target} names: create it, "
        "or remove the annotation to let the controller make one.",
    )


def identity_of(manifest: Manifest) -> tuple[str, str]:
    """Return (namespace, name) of an object."""
    metadata = table(manifest.get("metadata"))
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))
