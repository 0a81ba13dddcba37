"""What the apex's port speaks to Linkerd, as its Service says: on an opaque port it looks at no route.

`appProtocol` is heeded since 2.18 (https://linkerd.io/2/features/protocol-detection/); without it the protocol is
detected. Opaque ports are those of the Service's annotation, else Linkerd's own list of protocols in which the server
speaks first. A list in the namespace's annotation is not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from meshes.contract import AppProtocol, Kind, Manifest, Route, RouteError
from meshes.parts.document import items, table
from meshes.parts.ownership import identity_of

SERVICE = Kind("", "Service")
OPAQUE_PORTS = "config.linkerd.io/opaque-ports"
DEFAULT_OPAQUE = "25,587,3306,4444,5432,6379,9300,11211"
_LONGEST = 20
"""Digits of a number that is read; Python refuses to read thousands."""
HTTP1, HTTP2 = "http", "kubernetes.io/h2c"


def find(route: Route, others: Sequence[Manifest]) -> RouteError | None:
    """Return what the apex, where it is among the others, says against routing; None when nothing."""
    for other in others:
        core = other.get("kind") == SERVICE.kind and other.get("apiVersion") == "v1"
        if core and identity_of(other) == (route.namespace, route.apex) and (trouble := _trouble(route, other)):
            return RouteError("RouteUnusable", trouble)
    return None


def services(other: Manifest) -> Collection[str]:
    """Return the name of a Service; none of any other object."""
    return {identity_of(other)[1]} if other.get("kind") == SERVICE.kind else set()


def _trouble(route: Route, service: Manifest) -> str:
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
    return "" if speaks else _opaque(route, service, where)


def _opaque(route: Route, service: Manifest, where: str) -> str:
    listed = _annotation(service)
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
    if _is_number(first) and (not dash or _is_number(last)):
        return int(first) <= route.port <= int(last if dash else first)
    return bool(entry) and entry == route.port_name


def _is_number(text: str) -> bool:
    return len(text) <= _LONGEST and text.isascii() and text.isdecimal()
