"""How a MeshHTTPRoute names a Service's port, in each of the forms, and whose name a reference is.

Reading knows all forms at once, whichever is written: a route may have been made for an older release. A name without
namespace in the system namespace is a `kuma.io/service` tag, as is every name in a backend without a port.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from meshes.contract import Route
from meshes.kuma.names import DISPLAY_NAME, NAMESPACE_LABEL, Form
from meshes.parts.document import table

KIND = "MeshService"
KEYS = ("kind", "name", "namespace", "labels", "tags", "mesh", "port", "sectionName", "proxyTypes")
"""All that a reference can be made of; the rest of a backend is its weight."""


def tag(service: str, namespace: str, port: int) -> str:
    """Return the value of `kuma.io/service` of a Service's port."""
    return f"{service}_{namespace}_svc_{port}"


def parent(route: Route, form: Form) -> dict[str, Any]:
    """Return the `to[].targetRef` that means the apex's port."""
    found = _service(route, form, route.apex)
    if form is not Form.LEGACY:
        # Without it the rules hold for every port of the Service. Kuma names an unnamed port by its number.
        found["sectionName"] = route.port_name or str(route.port)
    return found


def backend(route: Route, form: Form, service: str, weight: int) -> dict[str, Any]:
    """Return one of `backendRefs`."""
    found = _service(route, form, service)
    if form is not Form.LEGACY:
        # What makes it a reference to a MeshService: without a port 2.9 to 2.14 take the name for a tag.
        found["port"] = route.port
    return {**found, "weight": weight}


def _service(route: Route, form: Form, service: str) -> dict[str, Any]:
    match form:
        case Form.LEGACY:
            return {"kind": KIND, "name": tag(service, route.namespace, route.port)}
        case Form.MESHSERVICE:
            return {"kind": KIND, "name": service, "namespace": route.namespace}
        case Form.LABELS:
            return {"kind": KIND, "labels": {DISPLAY_NAME: service, NAMESPACE_LABEL: route.namespace}}
        case _:
            assert_never(form)


def is_parent(route: Route, ref: object, home: str) -> bool:
    """Return whether a `to[].targetRef` of an object in `home` means the apex, at the port that is split."""
    found = table(ref)
    if found.get("kind") != KIND or found.get("tags"):
        return False
    if found.get("name") == tag(route.apex, route.namespace, route.port) and not found.get("namespace"):
        return True
    section = found.get("sectionName")
    at_port = not section or str(section) in (route.port_name, str(route.port))
    return at_port and _names(route, found, route.apex, home)


def means(route: Route, ref: object, service: str, home: str) -> bool:
    """Return whether a backend of an object in `home` is that Service's port that is split."""
    found = table(ref)
    if found.get("kind") != KIND or found.get("tags"):
        return False
    if "port" not in found and not found.get("sectionName"):
        return bool(found.get("name") == tag(service, route.namespace, route.port))
    section = found.get("sectionName")
    by_name = not section or str(section) in (route.port_name, str(route.port))
    return by_name and found.get("port", route.port) == route.port and _names(route, found, service, home)


def turned(ref: Mapping[str, Any], route: Route, service: str) -> dict[str, Any]:
    """Return a backend that means the apex turned to another Service, in the form that it is written in."""
    if ref.get("labels"):
        return {**ref, "labels": {**ref["labels"], DISPLAY_NAME: service}}
    named = ref.get("port") is not None or ref.get("sectionName")
    return {**ref, "name": service if named else tag(service, route.namespace, route.port)}


def shown(ref: object) -> str:
    """Return a reference for messages."""
    found = table(ref)
    labels = table(found.get("labels"))
    name = found.get("name") or labels.get(DISPLAY_NAME) or labels or "nothing"
    namespace = found.get("namespace") or labels.get(NAMESPACE_LABEL)
    return f"{namespace}/{name}" if namespace else f"{name}"


def form_in(ref: object) -> Form:
    """Return the form in which a reference is written."""
    found = table(ref)
    if found.get("labels"):
        return Form.LABELS
    real = found.get("namespace") or found.get("port") is not None or found.get("sectionName")
    return Form.MESHSERVICE if real else Form.LEGACY


def _names(route: Route, found: Mapping[str, Any], service: str, home: str) -> bool:
    labels = table(found.get("labels"))
    if labels:
        there = labels.get(NAMESPACE_LABEL, home) == route.namespace
        return there and {**labels, NAMESPACE_LABEL: ""} == {DISPLAY_NAME: service, NAMESPACE_LABEL: ""}
    return bool(found.get("name") == service and (found.get("namespace") or home) == route.namespace)
