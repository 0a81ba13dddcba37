"""Which other VirtualServices stand in the way of ours, and which host names mean the apex."""

from __future__ import annotations

from typing import Any

import pytest

from meshes.contract import Manifest
from meshes.istio import Istio
from tests.meshes.istio_objects import route, virtual_service

OURS = Istio().render(route(), 0, None)


def conflict(*others: Manifest, user_route: str | None = None) -> tuple[str, str] | None:
    found = Istio().conflict(route(user_route), others)
    return None if found is None else (found.reason, str(found))


def claiming(host: Any, *, home: str = "shop", **spec: Any) -> dict[str, Any]:
    return virtual_service({"hosts": ["reviews", host], **spec}, name="theirs", namespace=home)


@pytest.mark.parametrize(
    ("host", "home"),
    [
        ("checkout", "shop"),
        ("checkout.shop", "shop"),
        ("checkout.shop.svc", "web"),
        ("checkout.shop.svc.cluster.local", "web"),
        ("checkout.shop.svc.corp.example", "web"),
        ("*", "web"),
        ("*.shop", "web"),
        ("*.shop.svc", "web"),
        ("*.shop.svc.cluster.local", "web"),
        ("*.svc.cluster.local", "web"),
        ("*.svc.corp.example", "web"),
        ("*.cluster.local", "web"),
        ("*.local", "web"),
    ],
)
def test_another_route_for_the_same_host_is_a_conflict_however_the_host_is_spelled(host: str, home: str) -> None:
    found = conflict(OURS, claiming(host, home=home))
    assert found is not None
    assert found[0] == "RouteConflict"
    assert f"VirtualService {home}/theirs routes {host} for the mesh" in found[1]


@pytest.mark.parametrize(
    ("host", "home"),
    [
        ("checkout", "web"),
        ("checkout-canary", "shop"),
        ("checkout.web", "shop"),
        ("checkout.shop.example.com", "shop"),
        ("checkout.shopping.svc.cluster.local", "shop"),
        ("checkout.shop.svc.clusterset.local", "shop"),
        ("my-checkout.shop.svc.cluster.local", "shop"),
        ("*.web.svc.cluster.local", "shop"),
        ("*.svc.clusterset.local", "shop"),
        ("*.shop.svc.clusterset.local", "shop"),
        ("*.example.com", "shop"),
        (7, "shop"),
        (None, "shop"),
    ],
)
def test_a_route_for_another_host_is_no_conflict(host: object, home: str) -> None:
    assert conflict(claiming(host, home=home)) is None


def test_a_conflict_in_the_namespace_names_the_annotation_that_ends_it() -> None:
    assert conflict(claiming("checkout")) == (
        "RouteConflict",
        "VirtualService shop/theirs routes checkout for the mesh, and Istio uses only one VirtualService for a host. "
        "Set the annotation canary.delivery/route: theirs on checkout to keep the split in it.",
    )


def test_a_conflict_from_another_namespace_cannot_be_named_and_says_what_else_helps() -> None:
    assert conflict(claiming("checkout.shop.svc", home="web")) == (
        "RouteConflict",
        "VirtualService web/theirs routes checkout.shop.svc for the mesh, and Istio uses only one VirtualService for a "
        "host. Take checkout.shop.svc out of its hosts, or limit it to other namespaces with exportTo.",
    )


@pytest.mark.parametrize("gateways", [None, [], ["mesh"], ["istio-system/ingress", "mesh"]])
def test_a_route_for_sidecars_conflicts(gateways: object) -> None:
    assert conflict(claiming("checkout", gateways=gateways)) is not None


def test_a_route_for_an_ingress_gateway_alone_does_not_conflict() -> None:
    assert conflict(claiming("checkout", gateways=["istio-system/ingress"])) is None


@pytest.mark.parametrize(
    ("export", "home", "conflicts"),
    [
        (None, "web", True),
        ([], "web", True),
        (["*"], "web", True),
        (["shop"], "web", True),
        (["web", "shop"], "web", True),
        (["."], "shop", True),
        (["."], "web", False),
        (["web"], "web", False),
        (["web"], "shop", False),
        (["~"], "shop", False),
    ],
)
def test_only_a_route_that_is_exported_to_the_namespace_conflicts(export: object, home: str, conflicts: bool) -> None:
    found = conflict(claiming("checkout.shop.svc.cluster.local", home=home, exportTo=export))
    assert (found is not None) is conflicts


def test_ours_and_a_delegate_never_conflict() -> None:
    assert conflict(OURS, virtual_service({"http": []}, name="delegate")) is None


def test_a_route_that_the_user_named_stands_beside_any_other() -> None:
    assert conflict(claiming("checkout"), claiming("*"), user_route="theirs") is None


@pytest.mark.parametrize(
    "labels",
    [None, {}, {"app.kubernetes.io/managed-by": "canary-controller"}, {"canary.delivery/target": "checkout"}],
)
def test_a_foreign_object_of_our_name_is_a_conflict_even_when_it_routes_another_host(
    labels: dict[str, str] | None,
) -> None:
    theirs = virtual_service({"hosts": ["shop.example.com"]}, name="checkout", labels=labels)
    found = conflict(theirs)
    assert found is not None
    assert found[0] == "RouteConflict"
    assert "VirtualService.networking.istio.io shop/checkout is there already and is not ours" in found[1]


def test_an_object_of_our_name_elsewhere_is_no_conflict() -> None:
    assert conflict(virtual_service({"hosts": ["checkout"]}, name="checkout", namespace="web")) is None


def test_our_object_of_another_target_is_foreign() -> None:
    labels = {**OURS["metadata"]["labels"], "canary.delivery/target": "checkout-two"}
    assert conflict({**OURS, "metadata": {**OURS["metadata"], "labels": labels}}) is not None


@pytest.mark.parametrize(
    "other", [{}, {"metadata": None, "spec": None}, {"spec": {"hosts": "checkout", "gateways": 3}}]
)
def test_objects_that_make_no_sense_do_not_conflict(other: dict[str, Any]) -> None:
    assert conflict(other) is None
