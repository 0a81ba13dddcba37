"""How Istio splits: two weighted destinations in one http entry of a VirtualService.

Facts are from Istio's API reference (https://istio.io/latest/docs/reference/config/networking/virtual-service/) and,
where that is silent, from its source. HTTPRoutes with Istio are the adapter `gateway-api`'s job.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from meshes.contract import (
    Counters,
    Histogram,
    Kind,
    Manifest,
    ObjectRef,
    Route,
    RouteError,
    Seen,
    Workload,
)
from meshes.istio import conflicts, own
from meshes.istio.split import GRAMMAR
from meshes.istio.status import complaint
from meshes.istio.versions import GROUP, api_version
from meshes.parts import istio_metrics
from meshes.parts.istio_hosts import routed
from meshes.parts.ownership import is_ours, missing_users_route, taken
from meshes.parts.users_route import UsersRoute

VIRTUAL_SERVICE = Kind(GROUP, "VirtualService")


class Istio:
    """The adapter for Istio with sidecars, and with waypoints where they read VirtualServices."""

    name = "istio"

    def route_kind(self, route: Route) -> Kind:
        return VIRTUAL_SERVICE

    def kinds(self) -> tuple[Kind, ...]:
        return (VIRTUAL_SERVICE,)

    def route_ref(self, route: Route) -> ObjectRef:
        return ObjectRef(VIRTUAL_SERVICE, route.namespace, route.user_route or route.apex)

    def observe(self, route: Route, live: Manifest | None) -> Seen:
        ref = self.route_ref(route)
        if live is None:
            return Seen(weight=None, accepted=False, because=f"{ref} is missing.")
        if route.user_route is not None:
            found = _users(route, ref).read(live)
        elif is_ours(route, live):
            found = own.read(route, live, ref=ref)
        else:
            return Seen(weight=None, accepted=False, because=str(taken(ref)))
        refused = complaint(live, ref)
        because = " ".join(reason for reason in (found.because, refused) if reason)
        return Seen(weight=found.percent, accepted=not refused, because=because)

    def render(self, route: Route, weight: int, live: Manifest | None) -> Manifest:
        if not 0 <= weight <= 100:
            raise ValueError(f"a weight is 0..100 percent, not {weight}")
        ref = self.route_ref(route)
        version = api_version(route, live, ref)
        if route.user_route is None:
            identity = {"apiVersion": version, "kind": ref.kind.kind}
            if live is not None and not is_ours(route, live):
                raise taken(ref)
            return own.render(route, weight, {**(live or {}), **identity}, ref=ref)
        if live is None:
            raise missing_users_route(route, ref)
        return _users(route, ref).render(weight, live)

    def restore(self, route: Route, live: Manifest) -> Manifest | None:
        if route.user_route is None:
            return None if is_ours(route, live) else live
        return _users(route, self.route_ref(route)).restore(live)

    def conflict(self, route: Route, others: Sequence[Manifest]) -> RouteError | None:
        return conflicts.find(route, others, self.route_ref(route))

    def services(self, manifest: Manifest) -> Collection[str]:
        return routed(manifest)

    def requests(self, workload: Workload) -> Counters:
        return istio_metrics.counters(workload)

    def latency(self, workload: Workload) -> Histogram:
        return istio_metrics.durations(workload)


def _users(route: Route, ref: ObjectRef) -> UsersRoute:
    return UsersRoute(route=route, ref=ref, grammar=GRAMMAR)
