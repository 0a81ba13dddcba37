"""How Linkerd splits: an HTTPRoute or a GRPCRoute of the Gateway API whose parent is the apex Service.

Facts are from Linkerd's documentation (https://linkerd.io/2/reference/httproute/) and, where that is silent, from the
source of its policy controller and its proxy. Its own older HTTPRoute (policy.linkerd.io) is read for conflicts only.
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
from meshes.gamma import conflicts, linkerd_filters, parents, routes
from meshes.gamma.versions import GROUP, GRPC_ROUTE, HTTP_ROUTE, kind_of
from meshes.linkerd import overrides, ports
from meshes.parts import linkerd_metrics

CONTROLLER = "linkerd.io/policy-controller"
LEGACY_ROUTE = Kind("policy.linkerd.io", "HTTPRoute")


class Linkerd:
    """The adapter for Linkerd 2.15 and later."""

    name = "linkerd"

    def route_kind(self, route: Route) -> Kind:
        return kind_of(route)

    def kinds(self) -> tuple[Kind, ...]:
        routed = (HTTP_ROUTE, GRPC_ROUTE, LEGACY_ROUTE)
        return (*routed, overrides.SERVICE_PROFILE, overrides.TRAFFIC_SPLIT, ports.SERVICE)

    def route_ref(self, route: Route) -> ObjectRef:
        return routes.ref_of(route)

    def observe(self, route: Route, live: Manifest | None) -> Seen:
        return linkerd_filters.seen_with(routes.observe(route, live, _is_linkerd), live, self.route_ref(route))

    def render(self, route: Route, weight: int, live: Manifest | None) -> Manifest:
        return linkerd_filters.sent(route, weight, routes.render(route, weight, live), self.route_ref(route))

    def restore(self, route: Route, live: Manifest) -> Manifest | None:
        return routes.restore(route, live)

    def conflict(self, route: Route, others: Sequence[Manifest]) -> RouteError | None:
        ref = self.route_ref(route)
        return (
            ports.find(route, others)
            or overrides.find(route, others, ref)
            or conflicts.find(route, others, ref, (GROUP, LEGACY_ROUTE.group))
            or (linkerd_filters.find(others, ref) if route.user_route is not None else None)
        )

    def services(self, manifest: Manifest) -> Collection[str]:
        return {*parents.services(manifest), *overrides.services(manifest), *ports.services(manifest)}

    def requests(self, workload: Workload) -> Counters:
        return linkerd_metrics.counters(workload)

    def latency(self, workload: Workload) -> Histogram:
        return linkerd_metrics.durations(workload)


def _is_linkerd(controller: str) -> bool:
    return controller == CONTROLLER
