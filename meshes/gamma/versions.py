"""The two kinds of routes and the versions of them that are spoken."""

from __future__ import annotations

from meshes.contract import AppProtocol, Kind, Manifest, ObjectRef, Route
from meshes.parts import versions

GROUP = "gateway.networking.k8s.io"
HTTP_ROUTE = Kind(GROUP, "HTTPRoute")
GRPC_ROUTE = Kind(GROUP, "GRPCRoute")

VERSIONS = {HTTP_ROUTE: ("v1", "v1beta1"), GRPC_ROUTE: ("v1", "v1alpha2")}
"""The versions that the adapters know, best first: HTTPRoute is v1 since Gateway API 1.0, GRPCRoute since 1.1. The
fields used here are the same in all."""

_REMEDY = (
    "Install the CRDs of the Gateway API (https://gateway-api.sigs.k8s.io), or choose another mesh with the annotation "
    "canary.delivery/mesh."
)


def kind_of(route: Route) -> Kind:
    """Return the kind of route for what the apex's port speaks. Where there are both, meshes prefer the GRPCRoute."""
    return {AppProtocol.HTTP: HTTP_ROUTE, AppProtocol.GRPC: GRPC_ROUTE}[route.protocol]


def api_version(route: Route, live: Manifest | None, ref: ObjectRef) -> str:
    """Return the apiVersion to write, as `versions.api_version` does."""
    return versions.api_version(route, live, ref, VERSIONS[ref.kind], remedy=_REMEDY)
