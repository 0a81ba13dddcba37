"""Other routes of the same Service that keep the split from taking effect.

Routes of one parent are merged, the more specific rule wins, of equal ones that of the older route. So only a second
rule for every request stands in the way, and a route of the other kind: where there are both, the GRPCRoute alone is
used. Routes in other namespaces give the clients there a routing of their own, and are let be.
"""

from __future__ import annotations

from collections.abc import Sequence

from meshes.contract import Manifest, ObjectRef, Route, RouteError
from meshes.gamma import parents
from meshes.gamma.grammar import GRAMMAR, unconditional
from meshes.gamma.parents import hangs_on_apex
from meshes.gamma.versions import GROUP, GRPC_ROUTE
from meshes.parts.ownership import identity_of, is_ours, taken


def find(route: Route, others: Sequence[Manifest], ref: ObjectRef, groups: Sequence[str]) -> RouteError | None:
    """Return the first route that stands in the way. `others` may hold the route itself, and objects of other kinds.

    `groups` are the API groups whose routes count. A route that the user named stands as it is beside others of its
    kind; a GRPCRoute puts an HTTPRoute out of use whoever wrote it.
    """
    for other in others:
        group = str(other.get("apiVersion", "")).rpartition("/")[0]
        if group not in groups or other.get("kind") not in ("HTTPRoute", "GRPCRoute"):
            continue
        home, name = identity_of(other)
        if (group, other["kind"], home, name) == (ref.kind.group, ref.kind.kind, ref.namespace, ref.name):
            if fault := _of_itself(route, other, ref):
                return fault
        elif home == route.namespace and hangs_on_apex(route, other) and (why := _hides(route, other, ref)):
            return RouteError("RouteConflict", f"{other['kind']} {home}/{name} {why}")
    return None


def _of_itself(route: Route, live: Manifest, ref: ObjectRef) -> RouteError | None:
    if route.user_route is None:
        return None if is_ours(route, live) else taken(ref)
    why = parents.fault(route, live)
    return RouteError("RouteUnusable", f"{ref} splits nothing: {why}.") if why else None


def _hides(route: Route, other: Manifest, ref: ObjectRef) -> str:
    """Return what another route of the apex does to ours, "" for nothing."""
    name = identity_of(other)[1]
    if other["kind"] != ref.kind.kind and is_ours(route, other):
        return f"was made when the port of {route.apex} spoke another protocol, and stands beside {ref}: delete it."
    if other["kind"] != ref.kind.kind:
        if other["kind"] == GRPC_ROUTE.kind:
            return (
                f"is for Service {route.apex} too, and a mesh that has both uses the GRPCRoute alone, so that {ref} "
                "would split nothing. Remove it, or set canary.delivery/protocol: grpc."
            )
        if route.user_route is None:
            named = f"set canary.delivery/protocol: http and canary.delivery/route: {name} on {route.target}"
            return (
                f"is for Service {route.apex} too, and {ref} would put it out of use. Remove it, or "
                f"{named if _can_be_named(other) else _REWRITE}."
            )
        return ""
    if route.user_route is None and any(unconditional(rule) for rule in GRAMMAR.entries_of(other)):
        remedy = f"Set the annotation canary.delivery/route: {name} on {route.target} to keep the split in it."
        return (
            f"has a rule for every request to Service {route.apex}, and of two such rules the older one is used. "
            f"{remedy if _can_be_named(other) else f'Remove it, or {_REWRITE}.'}"
        )
    return ""


_REWRITE = f"write it in {GROUP}, where canary.delivery/route can name it"


def _can_be_named(other: Manifest) -> bool:
    """Say whether the annotation `route` finds the object: not one of Linkerd's own older API."""
    return str(other.get("apiVersion", "")).startswith(f"{GROUP}/")
