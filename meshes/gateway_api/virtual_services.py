"""Istio's own routes beside those of the Gateway API: for one host, what comes of both is undefined.

https://istio.io/latest/docs/ambient/usage/l7-features/ ("Mixing with Gateway API configuration is not supported").
"""

from __future__ import annotations

from collections.abc import Sequence

from meshes.contract import Kind, Manifest, ObjectRef, Route, RouteError
from meshes.parts.istio_hosts import claims
from meshes.parts.ownership import identity_of

VIRTUAL_SERVICE = Kind("networking.istio.io", "VirtualService")


def find(route: Route, others: Sequence[Manifest], ref: ObjectRef) -> RouteError | None:
    """Return the first VirtualService that routes the apex for the mesh, None when there is none."""
    for other in others:
        group = str(other.get("apiVersion", "")).rpartition("/")[0]
        if Kind(group, str(other.get("kind"))) == VIRTUAL_SERVICE and (host := claims(route, other)):
            home, name = identity_of(other)
            return RouteError(
                "RouteConflict",
                f"VirtualService {home}/{name} routes {host} for the mesh, and what Istio makes of it beside {ref} is "
                f"undefined. Remove it, or set canary.delivery/mesh: istio on {route.target}.",
            )
    return None
