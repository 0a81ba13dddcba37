"""What keeps the split from taking effect, or would lose its own effect by it: told before anything is made.

Rules of several MeshHTTPRoutes for one Service are merged, and where they disagree one wins, so a second one is not
made beside a user's. A route for some clients only, or in the namespace of other clients, is let be: they were given a
routing of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from meshes.contract import Manifest, ObjectRef, Route, RouteError
from meshes.kuma.names import (
    DEFAULT_MESH,
    MESH_HTTP_ROUTE,
    MESH_TCP_ROUTE,
    TRAFFIC_ROUTE,
    Option,
    home_of,
    mesh_of,
    noted_mesh,
)
from meshes.kuma.own import is_ours
from meshes.kuma.references import is_parent, tag
from meshes.parts.document import items, table
from meshes.parts.ownership import identity_of, taken

_EVERYBODY = ("Mesh", "MeshSubset", "Dataplane")
_SELECTING = ("name", "namespace", "labels", "tags", "sectionName")
"""By what Kuma picks some of the proxies (its source: allDataplanesSelected, and subsets of tags)."""


def find(route: Route, others: Sequence[Manifest], ref: ObjectRef) -> RouteError | None:
    """Return the first thing that stands in the way. `others` may hold the route itself.

    A route that the user named stands as it is: beside what, is the user's choice. It must be of the pods' mesh.
    """
    trouble = told(route)
    if trouble is not None:
        return trouble
    if route.user_route is not None:
        return _of_another_mesh(route, others, ref)
    for other in others:
        if other.get("kind") == MESH_HTTP_ROUTE.kind and identity_of(other) == (ref.namespace, ref.name):
            if not is_ours(route, other):
                return taken(ref)
        elif found := _conflict(route, other):
            return found
    return None


def _of_another_mesh(route: Route, others: Sequence[Manifest], ref: ObjectRef) -> RouteError | None:
    for other in others:
        if other.get("kind") == MESH_HTTP_ROUTE.kind and identity_of(other) == (ref.namespace, ref.name):
            mesh, wanted = noted_mesh(other) or DEFAULT_MESH, mesh_of(route)
            if mesh != wanted:
                return RouteError(
                    "RouteUnusable",
                    f"{ref} is of mesh {mesh}, and the pods of {route.target} are in mesh {wanted}, of which it splits "
                    f"nothing: set the label kuma.io/mesh: {wanted} on it, or name another route.",
                )
    return None


def told(route: Route) -> RouteError | None:
    """Return what was noted when the route was resolved."""
    message = route.options.get(Option.TROUBLE, "")
    return RouteError(route.options.get(Option.REASON, "RouteConflict"), f"{message}.") if message else None


def _conflict(route: Route, other: Manifest) -> RouteError | None:
    kind = other.get("kind")
    home, name = identity_of(other)
    if kind == TRAFFIC_ROUTE.kind:
        if (other.get("mesh") or DEFAULT_MESH) != mesh_of(route) or not _splits(route, other):
            return None
        return _error(
            f"TrafficRoute {name} routes {route.apex} too, and a MeshHTTPRoute goes before it: delete it, or take "
            f"{tag(route.apex, route.namespace, route.port)} out of its destinations"
        )
    if (noted_mesh(other) or DEFAULT_MESH) != mesh_of(route) or not _for_our_clients(route, other, home):
        return None
    if kind == MESH_TCP_ROUTE.kind:
        return _error(
            f"MeshTCPRoute {home}/{name} routes {route.apex} too, and a MeshHTTPRoute goes before it: delete it, or "
            f"take {route.apex} out of it"
        )
    if kind != MESH_HTTP_ROUTE.kind:
        return None
    if is_ours(route, other):
        return _error(
            f"MeshHTTPRoute {home}/{name} was made for {route.apex} in another form and is no longer used: delete it"
        )
    remedy = f"set the annotation canary.delivery/route: {name} on {route.target} to keep the split in it"
    return _error(f"MeshHTTPRoute {home}/{name} routes {route.apex} too: {remedy}, or take {route.apex} out of it")


def _for_our_clients(route: Route, other: Manifest, home: str) -> bool:
    spec = table(other.get("spec"))
    homes = (route.namespace, route.options.get(Option.SYSTEM), home_of(route))
    if home not in homes or not _reaches_sidecars(spec.get("targetRef")):
        return False
    return any(is_parent(route, table(to).get("targetRef"), home) for to in items(spec.get("to")))


def _reaches_sidecars(target: object) -> bool:
    """Say whether a top-level targetRef selects every sidecar: what has nothing to select by selects all."""
    found = table(target)
    types = items(found.get("proxyTypes"))
    narrowed = any(found.get(key) for key in _SELECTING) or (types and "Sidecar" not in types)
    return target is None or (found.get("kind") in _EVERYBODY and not narrowed)


def _splits(route: Route, other: Manifest) -> bool:
    wanted = tag(route.apex, route.namespace, route.port)
    matches = (table(table(one).get("match")) for one in items(table(other.get("spec")).get("destinations")))
    return any(match.get("kuma.io/service") == wanted for match in matches)


def _error(message: str) -> RouteError:
    return RouteError("RouteConflict", f"{message}.")
