"""What Linkerd's and Istio's controllers write into the status of a route (MESHES sections 2.4 and 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canary.ports import SERVICE
from canary.sandbox.kinds import GRPC_ROUTE, HTTP_ROUTE
from meshes.contract import Manifest

LINKERD_CONTROLLER = "linkerd.io/policy-controller"
ISTIO_CONTROLLER = "istio.io/gateway-controller"

Answer = Mapping[str, Any]


def linkerd(route: Manifest, objects: Sequence[Manifest]) -> Answer | None:
    """Return Linkerd's answer: it never says which generation it has seen, and writes the group as "core"."""
    if route["kind"] not in (HTTP_ROUTE.kind, GRPC_ROUTE.kind):
        return None
    parents: list[Answer] = [
        {
            "controllerName": LINKERD_CONTROLLER,
            "parentRef": dict(parent, group="core"),
            "conditions": [
                _condition("Accepted", *_accepted(route, parent, objects)),
                _condition("ResolvedRefs", *_resolved(route, objects)),
            ],
        }
        for parent in _services(route, ("", "core"))
    ]
    return {"parents": parents}


def istio(route: Manifest, objects: Sequence[Manifest]) -> Answer | None:
    """Return Istio's answer: each condition names the generation; parents of the group "core" are none to it."""
    generation: dict[str, Any] = {"observedGeneration": route["metadata"].get("generation", 1)}
    parents = [
        {
            "controllerName": ISTIO_CONTROLLER,
            "parentRef": dict(parent),
            "conditions": [
                {**_condition("Accepted", *_exists(route, parent, objects)), **generation},
                {**_condition("ResolvedRefs", *_resolved(route, objects)), **generation},
            ],
        }
        for parent in _services(route, ("",))
    ]
    return {"parents": parents}


def _services(route: Manifest, groups: Sequence[str]) -> list[Mapping[str, Any]]:
    return [
        parent
        for parent in route["spec"].get("parentRefs", ())
        if parent.get("group", "gateway.networking.k8s.io") in groups and parent.get("kind") == "Service"
    ]


def _accepted(route: Manifest, parent: Mapping[str, Any], objects: Sequence[Manifest]) -> tuple[str, str]:
    exists, reason = _exists(route, parent, objects)
    if exists == "True" and route["kind"] == HTTP_ROUTE.kind and _has_grpc(parent, route, objects):
        return "False", "RouteReasonConflicted"
    return exists, reason


def _exists(route: Manifest, parent: Mapping[str, Any], objects: Sequence[Manifest]) -> tuple[str, str]:
    home = parent.get("namespace") or route["metadata"].get("namespace")
    service = _service(objects, home, parent["name"])
    headless = service is None or (service.get("spec") or {}).get("clusterIP") == "None"
    return ("False", "NoMatchingParent") if headless else ("True", "Accepted")


def _has_grpc(parent: Mapping[str, Any], route: Manifest, objects: Sequence[Manifest]) -> bool:
    return any(
        other["kind"] == GRPC_ROUTE.kind
        and other["metadata"].get("namespace") == route["metadata"].get("namespace")
        and any(one["name"] == parent["name"] for one in _services(other, ("", "core")))
        for other in objects
    )


def _resolved(route: Manifest, objects: Sequence[Manifest]) -> tuple[str, str]:
    home = route["metadata"].get("namespace")
    refs = [ref for rule in route["spec"].get("rules", ()) for ref in rule.get("backendRefs", ())]
    missing = [ref for ref in refs if _service(objects, ref.get("namespace") or home, ref["name"]) is None]
    return ("False", "BackendNotFound") if missing else ("True", "ResolvedRefs")


def _service(objects: Sequence[Manifest], namespace: object, name: str) -> Manifest | None:
    found = (
        one
        for one in objects
        if one["kind"] == SERVICE.kind
        and (one["metadata"]["name"], one["metadata"].get("namespace")) == (name, namespace)
    )
    return next(found, None)


def _condition(kind: str, status: str, reason: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": ""}
