"""What wins over HTTPRoutes and GRPCRoutes in Linkerd: a ServiceProfile, and a TrafficSplit that writes into one.

A ServiceProfile with routes or dstOverrides for a Service puts all its routes of the Gateway API out of use, whoever
wrote them (https://linkerd.io/2/features/httproute/).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from meshes.contract import Kind, Manifest, ObjectRef, Route, RouteError
from meshes.parts.document import table
from meshes.parts.ownership import identity_of

SERVICE_PROFILE = Kind("linkerd.io", "ServiceProfile")
TRAFFIC_SPLIT = Kind("split.smi-spec.io", "TrafficSplit")
_WINNING = ("routes", "dstOverrides")


def find(route: Route, others: Sequence[Manifest], ref: ObjectRef) -> RouteError | None:
    """Return the first object that overrides the route, None when there is none.

    Those in other namespaces are for the clients there alone, and are let be.
    """
    for other in others:
        kind = Kind(str(other.get("apiVersion", "")).rpartition("/")[0], str(other.get("kind")))
        home, name = identity_of(other)
        if home != route.namespace:
            continue
        why = ""
        if kind == SERVICE_PROFILE:
            why = _profile(route, other, name)
        elif kind == TRAFFIC_SPLIT:
            why = _traffic_split(route, other)
        if why:
            return RouteError(
                "RouteConflict", f"{ObjectRef(kind, home, name)} {why}, so that {ref} would split nothing."
            )
    return None


def services(other: Manifest) -> Collection[str]:
    """Return the name of the Service that a ServiceProfile or a TrafficSplit is about; none of any other object."""
    match other.get("kind"):
        case "ServiceProfile":
            return {identity_of(other)[1].partition(".")[0]}
        case "TrafficSplit":
            return {str(table(other.get("spec")).get("service", "")).partition(".")[0]}
        case _:
            return set()


def _profile(route: Route, other: Manifest, name: str) -> str:
    # The profile is named like the Service in full; which domain the cluster has is not known here.
    if not name.startswith(f"{route.apex}.{route.namespace}.svc."):
        return ""
    has = [field for field in _WINNING if table(other.get("spec")).get(field)]
    return f"overrides all routes of Service {route.apex} by its {' and '.join(has)}; remove them" if has else ""


def _traffic_split(route: Route, other: Manifest) -> str:
    service = str(table(other.get("spec")).get("service", ""))
    if service.partition(".")[0] != route.apex:
        return ""
    return f"splits Service {route.apex} by a ServiceProfile, which overrides all its routes; remove it"
