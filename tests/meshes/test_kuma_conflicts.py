"""What would keep a split from taking effect in Kuma, or would lose its own by it, is told before anything is made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshes.contract import Manifest, Route
from meshes.kuma import Kuma
from meshes.kuma.names import Form
from tests.meshes.kuma_objects import FORMS, HOMES, backend, mesh_http_route, route, rule, to
from tests.meshes.kuma_surroundings import deployment, installed, namespace, service
from tests.meshes.test_kuma_forms import asked, trouble

ADAPTER = Kuma()


def against(other: Manifest, wanted: Route | None = None) -> str:
    error = ADAPTER.conflict(wanted or route(), [other])
    assert error is None or error.reason == "RouteConflict"
    return str(error or "")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("written", FORMS)
def test_another_route_for_the_same_service_is_named_in_whatever_form_it_is_written(form: Form, written: Form) -> None:
    other = mesh_http_route(to(written, rule(backend(written))), name="theirs")
    assert against(other, route(form)) == (
        "MeshHTTPRoute kuma-system/theirs routes checkout too: set the annotation canary.delivery/route: theirs on "
        "checkout to keep the split in it, or take checkout out of it."
    )


@pytest.mark.parametrize(
    "everybody",
    [
        None,
        {"kind": "Mesh"},
        {"kind": "Mesh", "proxyTypes": ["Sidecar", "Gateway"]},
        {"kind": "MeshSubset"},
        {"kind": "Dataplane"},
    ],
)
def test_a_route_for_all_clients_is_a_conflict_however_it_says_all(everybody: object) -> None:
    other = mesh_http_route(to(Form.LEGACY, rule(backend(Form.LEGACY))), name="theirs", targetRef=everybody)
    assert against(other).startswith("MeshHTTPRoute kuma-system/theirs routes checkout too")


@pytest.mark.parametrize(
    "other",
    [
        mesh_http_route(to(Form.LEGACY, rule(backend(Form.LEGACY)), name="reviews")),
        mesh_http_route(to(Form.LEGACY, rule(backend(Form.LEGACY))), labels={"kuma.io/mesh": "other"}),
        mesh_http_route(
            to(Form.LEGACY, rule(backend(Form.LEGACY))), targetRef={"kind": "MeshSubset", "tags": {"a": "b"}}
        ),
        mesh_http_route(to(Form.LEGACY), targetRef={"kind": "Dataplane", "labels": {"app": "cart"}}),
        mesh_http_route(to(Form.LEGACY), targetRef={"kind": "MeshGateway", "name": "edge"}),
        mesh_http_route(to(Form.LEGACY), targetRef={"kind": "Mesh", "proxyTypes": ["Gateway"]}),
        mesh_http_route(to(Form.MESHSERVICE, rule(backend(Form.MESHSERVICE))), namespace="elsewhere"),
        mesh_http_route(to(Form.MESHSERVICE, rule(backend(Form.MESHSERVICE)), sectionName="admin"), namespace="shop"),
        mesh_http_route({"targetRef": {"kind": "MeshService", "name": "checkout_shop_svc_9090"}, "rules": []}),
        mesh_http_route({"targetRef": {"kind": "MeshService", "name": "checkout"}}, namespace="elsewhere"),
    ],
    ids=[
        *("another Service", "another mesh", "some clients", "some pods", "a gateway", "gateways"),
        *("a consumer's", "another port", "another tag", "far away"),
    ],
)
def test_a_route_that_does_not_touch_the_split_is_none(other: Manifest) -> None:
    for form in FORMS:
        assert against(other, route(form)) == ""


def test_what_bears_our_name_and_is_not_ours_is_not_touched() -> None:
    other = mesh_http_route(to(Form.LEGACY), name="checkout.shop")
    assert against(other).startswith("MeshHTTPRoute.kuma.io kuma-system/checkout.shop is there already and is not ours")
    ours = ADAPTER.render(route(), 0, None)
    labels = {**ours["metadata"]["labels"], "canary.delivery/namespace": "another"}
    foreign = {**ours, "metadata": {**ours["metadata"], "labels": labels}}
    assert against(foreign).startswith("MeshHTTPRoute.kuma.io kuma-system/checkout.shop is there already")
    assert not ADAPTER.observe(route(), foreign).accepted


@pytest.mark.parametrize("form", FORMS)
def test_a_tcp_route_would_lose_its_effect(form: Form) -> None:
    other = {**mesh_http_route(to(form), name="tcp", namespace=HOMES[form]), "kind": "MeshTCPRoute"}
    assert against(other, route(form)) == (
        f"MeshTCPRoute {HOMES[form]}/tcp routes checkout too, and a MeshHTTPRoute goes before it: delete it, or take "
        "checkout out of it."
    )


def traffic_route(tag: str, mesh: str = "default") -> dict[str, Any]:
    return {
        "apiVersion": "kuma.io/v1alpha1",
        "kind": "TrafficRoute",
        "mesh": mesh,
        "metadata": {"name": "old"},
        "spec": {
            "sources": [{"match": {"kuma.io/service": "*"}}],
            "destinations": [{"match": {"kuma.io/service": tag}}],
            "conf": {"destination": {"kuma.io/service": tag}},
        },
    }


def test_a_traffic_route_for_the_same_service_is_named_and_the_usual_one_for_all_is_not() -> None:
    assert against(traffic_route("checkout_shop_svc_8080")) == (
        "TrafficRoute old routes checkout too, and a MeshHTTPRoute goes before it: delete it, or take "
        "checkout_shop_svc_8080 out of its destinations."
    )
    assert against(traffic_route("*")) == ""
    assert against(traffic_route("checkout_shop_svc_8080", "other")) == ""
    assert against({**traffic_route("checkout_shop_svc_8080"), "mesh": None}) != ""


def test_beside_a_route_that_the_user_named_nothing_is_a_conflict() -> None:
    other = mesh_http_route(to(Form.LEGACY, rule(backend(Form.LEGACY))), name="theirs")
    assert against(other, route(user_route="edge")) == ""


def test_a_route_that_the_user_named_must_be_of_the_mesh_of_the_pods() -> None:
    edge = route(user_route="edge")
    edge = replace(edge, options={**edge.options, "kuma-mesh": "blue"})
    green = mesh_http_route(to(Form.LEGACY, rule(backend(Form.LEGACY))), labels={"kuma.io/mesh": "green"})
    found = ADAPTER.conflict(edge, [green])
    assert found is not None
    assert found.reason == "RouteUnusable"
    assert "is of mesh green, and the pods of checkout are in mesh blue" in str(found)
    assert ADAPTER.observe(edge, ADAPTER.render(edge, 0, green)).accepted
    blue = {**green, "metadata": {**green["metadata"], "labels": {"kuma.io/mesh": "blue"}}}
    assert ADAPTER.conflict(edge, [blue]) is None


@pytest.mark.parametrize(
    ("mode", "there", "speaks"),
    [
        ("", service(""), "tcp"),
        ("", service("tcp"), "tcp"),
        ("", service("mysql"), "tcp"),
        ("", service("", **{"8080.service.kuma.io/protocol": "kafka"}), "kafka"),
        ("", service("", **{"9090.service.kuma.io/protocol": "http"}), "tcp"),
        ("Everywhere", service(""), "tcp"),
        # The controller that makes MeshServices looks at appProtocol alone.
        ("Everywhere", service("", **{"8080.service.kuma.io/protocol": "http"}), "tcp"),
    ],
)
def test_a_port_that_does_not_say_that_it_speaks_http_is_told(mode: str, there: Manifest, speaks: str) -> None:
    error = trouble(installed(mode).plus(there))
    assert error.reason == "ProtocolNotDeclared"
    assert str(error) == (
        f"Service shop/checkout does not say that its port 8080 speaks HTTP (it counts as {speaks}), and Kuma drops "
        "the split of such a port without a word: set appProtocol: http on the port."
    )


@pytest.mark.parametrize(
    ("mode", "there"),
    [
        ("", service("http")),
        ("", service("HTTP2")),
        ("", service("grpc")),
        ("", service("", **{"8080.service.kuma.io/protocol": "http"})),
        ("", service("mysql", **{"8080.service.kuma.io/protocol": "grpc"})),
        ("Everywhere", service("grpc")),
    ],
)
def test_a_port_that_says_so_is_split(mode: str, there: Manifest) -> None:
    assert ADAPTER.conflict(ADAPTER.resolve(asked(), installed(mode).plus(there)), []) is None


def test_a_split_that_has_lost_its_protocol_is_not_accepted_but_can_be_taken_back() -> None:
    now = ADAPTER.resolve(asked(), installed().plus(service("")))
    live = ADAPTER.render(now, 25, None)
    seen = ADAPTER.observe(now, live)
    assert (seen.weight, seen.accepted) == (25, False)
    assert "appProtocol" in seen.because
    assert ADAPTER.observe(now, ADAPTER.render(now, 0, live)).accepted


@pytest.mark.parametrize(
    ("of_namespace", "own", "joined"),
    [
        ({}, {}, False),
        ({"kuma.io/sidecar-injection": "disabled"}, {}, False),
        ({"kuma.io/sidecar-injection": "enabled"}, {"labels": {"kuma.io/sidecar-injection": "disabled"}}, False),
        ({"kuma.io/sidecar-injection": "enabled"}, {}, True),
        ({}, {"labels": {"kuma.io/sidecar-injection": "enabled"}}, True),
        ({}, {"annotations": {"kuma.io/sidecar-injection": "true"}}, True),
    ],
)
def test_pods_without_sidecars_are_told(of_namespace: dict[str, str], own: dict[str, Any], joined: bool) -> None:
    around = installed().plus(namespace("shop", of_namespace), deployment(**own))
    error = ADAPTER.conflict(ADAPTER.resolve(asked(), around), [])
    assert (error is None) is joined
    if error is not None:
        assert (error.reason, "kuma.io/sidecar-injection: enabled on namespace shop" in str(error)) == (
            "NotInMesh",
            True,
        )
