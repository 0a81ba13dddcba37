"""How Kuma splits: two weighted backends in a rule of a MeshHTTPRoute, named as the installed release understands it.

Facts are from Kuma's documentation (https://kuma.io/docs/latest/policies/meshhttproute/) and, where that is silent,
from its source. A route has no status in any release: what the object says counts as accepted, settling does the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from meshes.contract import (
    AppProtocol,
    Counters,
    Histogram,
    Kind,
    Manifest,
    ObjectRef,
    Route,
    RouteError,
    Seen,
    Surroundings,
    Workload,
)
from meshes.kuma import conflicts, own, resolving
from meshes.kuma.names import (
    MESH,
    MESH_HTTP_ROUTE,
    MESH_TCP_ROUTE,
    TRAFFIC_ROUTE,
    VERSION,
    Option,
    home_of,
    own_ref,
)
from meshes.kuma.split import MeshHTTPRouteGrammar
from meshes.parts import kuma_metrics
from meshes.parts.ownership import missing_users_route, taken
from meshes.parts.users_route import UsersRoute
from meshes.parts.versions import api_version

REMEDY = "Install Kuma's CRDs, or choose another mesh with the annotation canary.delivery/mesh."


class Kuma:
    """The adapter for Kuma 2.6 and later on Kubernetes, in a zone or without zones."""

    name = "kuma"

    def route_kind(self, route: Route) -> Kind:
        return MESH_HTTP_ROUTE

    def kinds(self) -> tuple[Kind, ...]:
        return (MESH_HTTP_ROUTE, MESH_TCP_ROUTE, TRAFFIC_ROUTE, MESH)

    def resolve(self, route: Route, around: Surroundings) -> Route:
        return resolving.resolve(route, around)

    def app_protocol(self, protocol: AppProtocol) -> str:
        return protocol.value

    def route_ref(self, route: Route) -> ObjectRef:
        home = home_of(route)
        return ObjectRef(MESH_HTTP_ROUTE, home, route.user_route) if route.user_route else own_ref(route, home)

    def observe(self, route: Route, live: Manifest | None) -> Seen:
        ref = self.route_ref(route)
        if live is None:
            return Seen(weight=None, accepted=False, because=f"{ref} is missing.")
        if route.user_route is not None:
            found = _users(route, ref).read(live)
        elif own.is_ours(route, live):
            found = own.read(route, live, ref=ref)
        else:
            return Seen(weight=None, accepted=False, because=str(taken(ref)))
        trouble = conflicts.told(route)
        # Whatever is wrong around it, a route that gives the canary nothing lets it have nothing.
        accepted = trouble is None or found.percent == 0
        because = " ".join(reason for reason in (found.because, "" if accepted else str(trouble)) if reason)
        return Seen(weight=found.percent, accepted=accepted, because=because)

    def render(self, route: Route, weight: int, live: Manifest | None) -> Manifest:
        if not 0 <= weight <= 100:
            raise ValueError(f"a weight is 0..100 percent, not {weight}")
        ref = self.route_ref(route)
        api_version(route, live, ref, (VERSION,), remedy=REMEDY)
        if route.user_route is not None:
            if live is None:
                raise missing_users_route(route, ref)
            return _users(route, ref).render(weight, live)
        if live is None and route.options.get(Option.UNSURE) and (trouble := conflicts.told(route)):
            raise trouble
        if live is not None and not own.is_ours(route, live):
            raise taken(ref)
        return own.render(route, weight, live or {}, ref=ref)

    def restore(self, route: Route, live: Manifest) -> Manifest | None:
        if route.user_route is None:
            return None if own.is_ours(route, live) else live
        return _users(route, self.route_ref(route)).restore(live)

    def conflict(self, route: Route, others: Sequence[Manifest]) -> RouteError | None:
        return conflicts.find(route, others, self.route_ref(route))

    def requests(self, workload: Workload) -> Counters:
        return kuma_metrics.counters(workload)

    def latency(self, workload: Workload) -> Histogram:
        return kuma_metrics.durations(workload)


def _users(route: Route, ref: ObjectRef) -> UsersRoute:
    return UsersRoute(route=route, ref=ref, grammar=MeshHTTPRouteGrammar(route=route, home=ref.namespace))
