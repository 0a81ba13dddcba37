"""Ports on which Linkerd looks at no route, as their Service says, are told before anything is tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from meshes.contract import Manifest, Route
from meshes.linkerd import Linkerd
from tests.meshes.gamma_objects import GRPC, HTTP

OPAQUE = "config.linkerd.io/opaque-ports"


def service(annotations: Mapping[str, str] | None = None, number: int = 8080, **port: Any) -> dict[str, Any]:
    metadata = {"name": "checkout", "namespace": "shop", "annotations": dict(annotations or {})}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": [{"port": 1}, {"port": number, **port}]},
    }


def trouble(route: Route, *objects: Manifest) -> str:
    found = Linkerd().conflict(route, objects)
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
    assert f"is opaque to Linkerd by the annotation {OPAQUE}" in trouble(HTTP, service({OPAQUE: listed}))


ENDLESS = "9" * 5000
"""More digits than Python reads as a number."""


@pytest.mark.parametrize(
    "listed",
    [
        *("", "25", "8081-9000", "8079-", "-8080", "grpc"),
        pytest.param(ENDLESS, id="endless"),
        pytest.param(f"1-{ENDLESS}", id="to an endless one"),
    ],
)
def test_other_ports_are_routed(listed: str) -> None:
    assert trouble(HTTP, service({OPAQUE: listed})) == ""


def test_the_protocol_goes_before_the_list() -> None:
    assert trouble(HTTP, service({OPAQUE: "8080"}, appProtocol="http")) == ""


def test_ports_of_protocols_whose_server_speaks_first_are_opaque_by_themselves() -> None:
    assert "by Linkerd's own list" in trouble(replace(HTTP, port=3306), service(number=3306))
    assert trouble(replace(HTTP, port=3306), service({OPAQUE: ""}, number=3306)) == ""


def test_the_ports_of_another_service_do_not_matter() -> None:
    other = service(appProtocol="tcp")
    for metadata in ({"name": "cart", "namespace": "shop"}, {"name": "checkout", "namespace": "eu"}):
        assert trouble(HTTP, {**other, "metadata": metadata}) == ""
    assert Linkerd().services(other) == {"checkout"}
