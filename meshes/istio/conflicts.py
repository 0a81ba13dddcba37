"""Other VirtualServices that keep the split from taking effect.

Sidecars take one VirtualService for a host and silently leave out the rest; only ingress gateways merge them. One
that is bound to ingress gateways alone is therefore no conflict. What comes in through it goes where it says,
mostly straight to the apex, and is not split: name it in the annotation `route` to split that traffic instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from meshes.contract import Manifest, ObjectRef, Route, RouteError
from meshes.parts.istio_hosts import claims
from meshes.parts.ownership import identity_of, is_ours, taken


def find(route: Route, others: Sequence[Manifest], ref: ObjectRef) -> RouteError | None:
    """Return the first object that stands in the way. `others` may hold the route itself.

    A route that the user named stands as it is: which clients it serves, and beside what, is the user's choice.
    A VirtualService that is exported only to namespaces other than the route's is let be: its clients were given a
    routing of their own.
    """
    if route.user_route is not None:
        return None
    for other in others:
        home, name = identity_of(other)
        if (name, home) == (ref.name, ref.namespace):
            if not is_ours(route, other):
                return taken(ref)
        elif host := claims(route, other):
            return _conflict(route, name, home, host)
    return None


def _conflict(route: Route, name: str, home: str, host: str) -> RouteError:
    other = f"VirtualService {home}/{name}"
    if home == route.namespace:
        remedy = f"Set the annotation canary.delivery/route: {name} on {route.target} to keep the split in it."
    else:
        remedy = f"Take {host} out of its hosts, or limit it to other namespaces with exportTo."
    return RouteError(
        "RouteConflict",
        f"{other} routes {host} for the mesh, and Istio uses only one VirtualService for a host. {remedy}",
    )
