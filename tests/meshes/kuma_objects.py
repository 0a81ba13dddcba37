"""Routes, and MeshHTTPRoutes as users write them, for the tests of the Kuma adapter."""

from __future__ import annotations

from typing import Any

from meshes.contract import AppProtocol, Route
from meshes.kuma.names import Form

HOMES = {Form.LEGACY: "kuma-system", Form.MESHSERVICE: "shop", Form.LABELS: "shop"}
"""Where a route of each form lies, of Kuma 3.0 for the last."""
FORMS = tuple(Form)
CATCH_ALL = {"path": {"type": "PathPrefix", "value": "/"}}


def route(
    form: Form = Form.LEGACY,
    *,
    user_route: str | None = None,
    home: str = "",
    served: tuple[str, ...] = ("v1alpha1",),
    **options: str,
) -> Route:
    """A route as `resolve` leaves it."""
    found = {"kuma-form": form.value, "kuma-mesh": "default", "kuma-home": home or HOMES[form]}
    return Route(
        namespace="shop",
        target="checkout",
        apex="checkout",
        canary="checkout-canary",
        port=8080,
        port_name="http",
        protocol=AppProtocol.HTTP,
        user_route=user_route,
        served=served,
        options={**found, "kuma-system": "kuma-system", **options},
    )


def service(form: Form, name: str = "checkout", *, namespace: str = "shop", port: int = 8080) -> dict[str, Any]:
    """A reference to a Service, without port and weight."""
    match form:
        case Form.LEGACY:
            return {"kind": "MeshService", "name": f"{name}_{namespace}_svc_{port}"}
        case Form.MESHSERVICE:
            return {"kind": "MeshService", "name": name, "namespace": namespace}
        case Form.LABELS:
            labels = {"kuma.io/display-name": name, "k8s.kuma.io/namespace": namespace}
            return {"kind": "MeshService", "labels": labels}


def backend(form: Form, name: str = "checkout", weight: object = None, **rest: Any) -> dict[str, Any]:
    port = {} if form is Form.LEGACY else {"port": 8080}
    return {**service(form, name), **port, **({} if weight is None else {"weight": weight}), **rest}


def rule(*backends: Any, matches: object = None, **default: Any) -> dict[str, Any]:
    to = {"backendRefs": list(backends)} if backends else {}
    return {"matches": matches or [CATCH_ALL], "default": {**default, **to}}


def to(form: Form, *rules: Any, name: str = "checkout", **target: Any) -> dict[str, Any]:
    return {"targetRef": {**service(form, name), **target}, "rules": list(rules)}


def mesh_http_route(
    *entries: Any, name: str = "edge", namespace: str = "kuma-system", labels: object = None, **spec: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "MeshHTTPRoute",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {"kuma.io/mesh": "default"}},
        "spec": {"targetRef": {"kind": "Mesh"}, "to": list(entries), **spec},
    }
