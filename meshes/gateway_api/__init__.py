"""Any mesh that takes the Gateway API's routes of Services (GAMMA): an HTTPRoute or a GRPCRoute, no more.

The API defines no metrics. Which mesh answers is read from the route's status, and its metrics are used; where it is
one that is not known here, only checks of the user's own can judge.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from meshes.contract import Counters, Histogram, Kind, Manifest, ObjectRef, Route, RouteError, Seen, Workload
from meshes.gamma import conflicts, linkerd_filters, parents, routes
from meshes.gamma.versions import GROUP, GRPC_ROUTE, HTTP_ROUTE, kind_of
from meshes.gateway_api import virtual_services
from meshes.gateway_api.implementations import is_linkerds, metrics_for
from meshes.parts import istio_hosts


class GatewayApi:
    """The adapter for meshes that implement GAMMA."""

    name = "gateway-api"

    def route_kind(self, route: Route) -> Kind:
        return kind_of(route)

    def kinds(self) -> tuple[Kind, ...]:
        return (HTTP_ROUTE, GRPC_ROUTE, virtual_services.VIRTUAL_SERVICE)

    def route_ref(self, route: Route) -> ObjectRef:
        return routes.ref_of(route)

    def observe(self, route: Route, live: Manifest | None) -> Seen:
        seen = routes.observe(route, live, bool)
        return linkerd_filters.seen_with(seen, live, self.route_ref(route)) if is_linkerds(live) else seen

    def render(self, route: Route, weight: int, live: Manifest | None) -> Manifest:
        rendered = routes.render(route, weight, live)
        return linkerd_filters.sent(route, weight, rendered, self.route_ref(route)) if is_linkerds(live) else rendered

    def restore(self, route: Route, live: Manifest) -> Manifest | None:
        return routes.restore(route, live)

    def conflict(self, route: Route, others: Sequence[Manifest]) -> RouteError | None:
        ref = self.route_ref(route)
        return conflicts.find(route, others, ref, (GROUP,)) or virtual_services.find(route, others, ref)

    def services(self, manifest: Manifest) -> Collection[str]:
        return {*parents.services(manifest), *istio_hosts.routed(manifest)}

    def requests(self, workload: Workload) -> Counters:
        return metrics_for(workload).counters(workload)

    def latency(self, workload: Workload) -> Histogram:
        return metrics_for(workload).durations(workload)
