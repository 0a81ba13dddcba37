"""What a mesh makes of its route objects, for one port of one Service: a table of the meshes.

Written from the meshes' own semantics (MESHES sections 0 and 1) and apart from the adapters, so that an adapter's
mistake shows in real traffic. What these rules do not know is an error, never a guess. Pure; knows nothing of Envoy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canary.errors import ConfigError
from canary.sandbox.routing_gamma import ISTIO_GAMMA, LINKERD
from canary.sandbox.routing_istio import ISTIO
from canary.sandbox.routing_kuma import KUMA
from canary.sandbox.rules import Apex, Backend, Ports, Routing, Rule
from meshes.contract import Manifest

HTTP_PROTOCOLS = ("http", "http2", "grpc", "grpc-web")
"""The protocols of HTTP routes; a port says its own by appProtocol, or by its name's part before a dash."""

ROUTINGS: Mapping[str, Routing] = {
    "gateway-api": ISTIO_GAMMA,
    "istio": ISTIO,
    "kuma": KUMA,
    "linkerd": LINKERD,
}
"""How each mesh routes; a new mesh is one more entry."""


def routing(mesh: str) -> Routing:
    """Return how the mesh routes, or raise `ConfigError` that names those that the sandbox knows."""
    if mesh not in ROUTINGS:
        raise ConfigError(f"the sandbox has no data plane of mesh {mesh!r}; it has {', '.join(sorted(ROUTINGS))}")
    return ROUTINGS[mesh]


def apex_ports(service: Manifest) -> tuple[Apex, ...]:
    """Return the ports of a Service as clients see them; a Service without ports has none."""
    meta = service["metadata"]
    return tuple(
        Apex(
            namespace=meta.get("namespace", "default"),
            service=meta["name"],
            port=int(port["port"]),
            http=_protocol(port) in HTTP_PROTOCOLS,
        )
        for port in service["spec"].get("ports", ())
    )


def rules_for(mesh: Routing, apex: Apex, objects: Sequence[Manifest], ports: Ports) -> tuple[Rule, ...]:
    """Return the rules for one port: all to the Service itself without a route object, or when it is not HTTP."""
    found = mesh.rules(apex, objects, ports) if apex.http or mesh.detects else None
    if found is None:
        return (Rule(backends=(Backend(namespace=apex.namespace, service=apex.service, port=apex.port),)),)
    return found


def _protocol(port: Mapping[str, Any]) -> str:
    if app_protocol := port.get("appProtocol", ""):
        return str(app_protocol).lower()
    name = str(port.get("name", "")).lower()
    return "grpc-web" if name.startswith("grpc-web") else name.partition("-")[0]
