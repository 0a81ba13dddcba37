"""Routes, and HTTPRoutes and GRPCRoutes as users write them, for the tests of the adapters for GAMMA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meshes.contract import AppProtocol, Manifest, Route

GATEWAY = "gateway.networking.k8s.io"
ISTIO = "istio.io/gateway-controller"
LINKERD = "linkerd.io/policy-controller"
PARENT: Mapping[str, Any] = {"group": "", "kind": "Service", "name": "checkout", "port": 8080}
EVERY_PATH = [{"path": {"type": "PathPrefix", "value": "/"}}]

HTTP = Route(
    namespace="shop",
    target="checkout",
    apex="checkout",
    canary="checkout-canary",
    port=8080,
    port_name="http",
    protocol=AppProtocol.HTTP,
    user_route=None,
    served=("v1", "v1beta1"),
    options={},
)
GRPC = replace(HTTP, protocol=AppProtocol.GRPC, port_name="grpc", served=("v1", "v1alpha2"))
EDGE = replace(HTTP, user_route="edge")
GRPC_EDGE = replace(GRPC, user_route="edge")


def to(name: str, weight: object = None, **rest: Any) -> dict[str, Any]:
    item: dict[str, Any] = {"name": name, "port": 8080, **rest}
    return item if weight is None else {**item, "weight": weight}


def http_route(*rules: Any, name: str = "edge", parents: Any = (PARENT,), kind: str = "HTTPRoute", **rest: Any) -> Any:
    metadata = {"name": name, "namespace": "shop", **rest.pop("metadata", {})}
    spec = {"parentRefs": [dict(parent) for parent in parents], "rules": list(rules), **rest}
    return {"apiVersion": f"{GATEWAY}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def grpc_route(*rules: Any, **rest: Any) -> Any:
    return http_route(*rules, kind="GRPCRoute", **rest)


def answered(
    live: Manifest,
    controller: str = LINKERD,
    *,
    parent: Mapping[str, Any] = PARENT,
    observed: int | None = None,
    generation: int = 1,
    **conditions: tuple[str, str],
) -> dict[str, Any]:
    """The object with one more answer: `Accepted=("False", "NoMatchingParent")`; both conditions are True else."""
    told = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs"), **conditions}
    seen = {} if observed is None else {"observedGeneration": observed}
    entry = {
        "controllerName": controller,
        "parentRef": dict(parent),
        "conditions": [
            {"type": kind, "status": status, "reason": reason, "message": f"about {kind}", **seen}
            for kind, (status, reason) in told.items()
        ],
    }
    before = live.get("status", {}).get("parents", [])
    metadata = {**live["metadata"], "generation": generation}
    return {**live, "metadata": metadata, "status": {"parents": [*before, entry]}}
