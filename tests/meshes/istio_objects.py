"""Routes, and VirtualServices as users write them, for the tests of the Istio adapter."""

from __future__ import annotations

from typing import Any

from meshes.contract import AppProtocol, Route


def route(user_route: str | None = None, served: tuple[str, ...] = ("v1", "v1beta1", "v1alpha3")) -> Route:
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
        options={},
    )


def virtual_service(spec: object, *, name: str = "edge", namespace: str = "shop", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": spec,
    }


def to(host: str, weight: object = None, **rest: Any) -> dict[str, Any]:
    item: dict[str, Any] = {"destination": {"host": host}, **rest}
    return item if weight is None else {**item, "weight": weight}


def edge(*entries: Any, **spec: Any) -> dict[str, Any]:
    return virtual_service({"hosts": ["checkout"], "http": list(entries), **spec})
