"""What Kuma asks of a workload before it splits its requests, and drops the split without a word when it is not so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshes.contract import AppProtocol, Manifest, Route
from meshes.kuma.names import INJECTION, Form
from meshes.parts.document import items, table

SPLIT = ("http", "http2", "grpc")
"""The protocols whose requests a MeshHTTPRoute splits."""
KNOWN = (*SPLIT, "tcp", "tls", "kafka")
ON = ("enabled", "true")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a split would have no effect: a CamelCase reason, and a message that names the object and the remedy."""

    reason: str
    message: str


def protocol_of(service: Manifest, port: Mapping[str, Any], form: Form) -> str:
    """Return what Kuma takes a Service's port to speak: `tcp` unless told otherwise; a port's name says nothing.

    MeshServices take `appProtocol` alone. Service tags take it if they know the word, else the Service's annotation
    `PORT.service.kuma.io/protocol`. (Kuma's source: ProtocolTagFor, and the controller that makes MeshServices.)
    """
    told = str(port.get("appProtocol") or "").lower()
    if form is Form.LEGACY and told not in KNOWN:
        annotations = table(table(service.get("metadata")).get("annotations"))
        told = str(annotations.get(f"{port.get('port')}.service.kuma.io/protocol") or "").lower()
    return told or "tcp"


def undeclared(route: Route, service: Manifest, form: Form) -> Trouble | None:
    """Return why the apex's port is not split: Kuma does not know that it speaks HTTP."""
    ports = items(table(service.get("spec")).get("ports"))
    found = next((port for port in ports if table(port).get("port") == route.port), None)
    if found is None or (speaks := protocol_of(service, found, form)) in SPLIT:
        return None
    wanted = "grpc" if route.protocol is AppProtocol.GRPC else "http"
    return Trouble(
        "ProtocolNotDeclared",
        f"Service {route.namespace}/{route.apex} does not say that its port {route.port} speaks HTTP (it counts as "
        f"{speaks}), and Kuma drops the split of such a port without a word: set appProtocol: {wanted} on the port",
    )


def uninjected(route: Route, namespace: Manifest, template: Mapping[str, Any]) -> Trouble | None:
    """Return why the pods are not in a mesh: nobody asked for their sidecars."""
    own = [_injection(template, field) for field in ("labels", "annotations")]
    told = next((value for value in (*own, _injection(namespace, "labels")) if value), "")
    if told in ON or not template:
        return None
    return Trouble(
        "NotInMesh",
        f"the pods of Deployment {route.target} get no sidecar: set the label {INJECTION}: enabled on namespace "
        f"{route.namespace}",
    )


def _injection(manifest: Mapping[str, Any], field: str) -> str:
    return str(table(table(manifest.get("metadata")).get(field)).get(INJECTION) or "").lower()
