"""Ports on which Linkerd looks at no route, as their Service says, are told before anything is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from meshes.contract import Kind, Manifest, ObjectRef, Resolving, Route
from meshes.linkerd import Linkerd
from tests.meshes.gamma_objects import GRPC, HTTP

OPAQUE = "config.linkerd.io/opaque-ports"


@dataclass(frozen=True)
class Around:
    """The objects that an adapter may look at."""

    objects: tuple[Manifest, ...]

    def get(self, ref: ObjectRef) -> Manifest | None:
        found = (
            one
            for one in self.objects
            if (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])
            == (ref.kind.kind, ref.namespace, ref.name)
        )
        return next(found, None)

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        return []

    def watches(self, kind: Kind, namespace: str) -> bool:
        return True

    def has_field(self, kind: Kind, version: str, path: str) -> bool | None:
        return None


def service(annotations: Mapping[str, str] | None = None, number: int = 8080, **port: Any) -> dict[str, Any]:
    metadata = {"name": "checkout", "namespace": "shop", "annotations": dict(annotations or {})}
    return {"kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 1}, {"port": number, **port}]}}


def namespace(**annotations: str) -> dict[str, Any]:
    return {"kind": "Namespace", "metadata": {"name": "shop", "annotations": {OPAQUE: annotations["opaque"]}}}


def trouble(route: Route, *objects: Manifest) -> str:
    adapter = Linkerd()
    assert isinstance(adapter, Resolving)
    found = adapter.conflict(adapter.resolve(route, Around(objects)), ())
    assert found is None or found.reason == "RouteUnusable"
    return "" if found is None else str(found)


@pytest.mark.parametrize("speaks", ["", "http", "kubernetes.io/h2c"])
def test_http_is_routed(speaks: str) -> None:
    assert trouble(HTTP, service(appProtocol=speaks)) == ""


@pytest.mark.parametrize("speaks", ["tcp", "grpc", "linkerd.io/opaque", "linkerd.io/tcp", "https", "HTTP"])
def test_every_other_app_protocol_is_opaque(speaks: str) -> None:
    assert trouble(HTTP, service(appProtocol=speaks)) == (
        f"Service shop/checkout, port 8080, has appProtocol: {speaks}, which makes it opaque to Linkerd, so that no "
        "route splits its requests. Set it to http (or kubernetes.io/h2c for HTTP/2), or remove it."
    )


@pytest.mark.parametrize(("speaks", "told"), [("", ""), ("kubernetes.io/h2c", ""), ("http", "it ignores GRPCRoutes")])
def test_grpc_is_not_routed_on_a_port_of_http_1(speaks: str, told: str) -> None:
    found = trouble(GRPC, service(appProtocol=speaks))
    assert (told in found, bool(found)) == (True, bool(told))


@pytest.mark.parametrize("listed", ["8080", "25, 8080", "8000-9000", "http"])
def test_a_port_that_is_listed_as_opaque_is_told(listed: str) -> None:
    on_service = trouble(HTTP, service({OPAQUE: listed}))
    assert f"is opaque to Linkerd by the annotation {OPAQUE}" in on_service
    assert trouble(HTTP, service(), namespace(opaque=listed)) == on_service


@pytest.mark.parametrize("listed", ["", "25", "8081-9000", "8079-", "-8080", "grpc"])
def test_other_ports_are_routed(listed: str) -> None:
    assert trouble(HTTP, service({OPAQUE: listed})) == ""


def test_the_services_list_goes_before_the_namespaces_and_the_protocol_before_both() -> None:
    assert trouble(HTTP, service({OPAQUE: "1"}), namespace(opaque="8080")) == ""
    assert trouble(HTTP, service({OPAQUE: "8080"}, appProtocol="http")) == ""


def test_ports_of_protocols_whose_server_speaks_first_are_opaque_by_themselves() -> None:
    assert "by Linkerd's own list" in trouble(replace(HTTP, port=3306), service(number=3306))
    assert trouble(replace(HTTP, port=3306), service({OPAQUE: ""}, number=3306)) == ""


def test_without_the_service_nothing_is_known_and_nothing_told() -> None:
    assert Linkerd().resolve(HTTP, Around(())) == HTTP
