"""What the apex's port speaks to Linkerd, as its Service says: on an opaque port it looks at no route.

`appProtocol` is heeded since 2.18 (https://linkerd.io/2/features/protocol-detection/); without it the protocol is
detected. Opaque ports are those of the annotation, else Linkerd's own list of protocols in which the server speaks
first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meshes.contract import AppProtocol, Kind, Manifest, ObjectRef, Route, RouteError, Surroundings
from meshes.parts.document import items, table

SERVICE = Kind("", "Service")
NAMESPACE = Kind("", "Namespace")
OPAQUE_PORTS = "config.linkerd.io/opaque-ports"
DEFAULT_OPAQUE = "25,587,3306,4444,5432,6379,9300,11211"
HTTP1, HTTP2 = "http", "kubernetes.io/h2c"
TROUBLE = "linkerd-trouble"
"""The option in which `resolve` notes why the port's requests are not routed, "" for nothing."""


def resolve(route: Route, around: Surroundings) -> Route:
    """Return the route with what its Service says against routing noted in its options; unchanged without one."""
    service = around.get(ObjectRef(SERVICE, route.namespace, route.apex))
    if service is None:
        return route
    namespace = around.get(ObjectRef(NAMESPACE, "", route.namespace)) or {}
    return replace(route, options={**route.options, TROUBLE: _trouble(route, service, namespace)})


def told(route: Route) -> RouteError | None:
    """Return what `resolve` found."""
    trouble = route.options.get(TROUBLE)
    return RouteError("RouteUnusable", trouble) if trouble else None


def _trouble(route: Route, service: Manifest, namespace: Manifest) -> str:
    ports = items(table(service.get("spec")).get("ports"))
    port = next((table(one) for one in ports if table(one).get("port") == route.port), table(None))
    speaks = str(port.get("appProtocol") or "")
    where = f"Service {route.namespace}/{route.apex}, port {route.port},"
    wanted = HTTP2 if route.protocol is AppProtocol.GRPC else f"{HTTP1} (or {HTTP2} for HTTP/2)"
    if speaks and speaks not in (HTTP1, HTTP2):
        return (
            f"{where} has appProtocol: {speaks}, which makes it opaque to Linkerd, so that no route splits its "
            f"requests. Set it to {wanted}, or remove it."
        )
    if speaks == HTTP1 and route.protocol is AppProtocol.GRPC:
        return (
            f"{where} has appProtocol: {HTTP1}, which is HTTP/1 to Linkerd, so that it ignores GRPCRoutes. Set it to "
            f"{HTTP2}, or remove it."
        )
    return "" if speaks else _opaque(route, service, namespace, where)


def _opaque(route: Route, service: Manifest, namespace: Manifest, where: str) -> str:
    annotated = _annotation(service)
    listed = annotated if annotated is not None else _annotation(namespace)
    ports = DEFAULT_OPAQUE if listed is None else listed
    if not any(_names(entry.strip(), route) for entry in ports.split(",")):
        return ""
    source = "Linkerd's own list" if listed is None else f"the annotation {OPAQUE_PORTS}"
    return (
        f"{where} is opaque to Linkerd by {source}, so that no route splits its requests. List other ports in the "
        f"annotation {OPAQUE_PORTS} of the Service."
    )


def _annotation(manifest: Mapping[str, Any]) -> str | None:
    found = table(table(manifest.get("metadata")).get("annotations")).get(OPAQUE_PORTS)
    return found if isinstance(found, str) else None


def _names(entry: str, route: Route) -> bool:
    """Say whether an entry, a number, a range or a name, is the route's port."""
    first, dash, last = entry.partition("-")
    if first.isdecimal() and (not dash or last.isdecimal()):
        return int(first) <= route.port <= int(last if dash else first)
    return bool(entry) and entry == route.port_name
