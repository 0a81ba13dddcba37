"""Which objects keep a route of the Gateway API from taking effect; those that only Linkerd has are among them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshes.contract import ANY, Claiming, Manifest, Mesh, Route, RouteError
from meshes.gateway_api import GatewayApi
from meshes.linkerd import Linkerd
from tests.meshes.gamma_objects import (
    EDGE,
    EVERY_PATH,
    GRPC,
    GRPC_EDGE,
    HTTP,
    PARENT,
    grpc_route,
    http_route,
    to,
)

BOTH = pytest.mark.parametrize("adapter", [Linkerd(), GatewayApi()], ids=lambda adapter: adapter.name)
EVERY = {"matches": EVERY_PATH, "backendRefs": [to("checkout")]}
SOME = {"matches": [{"path": {"type": "PathPrefix", "value": "/admin"}}], "backendRefs": [to("checkout")]}


def is_route_itself(route: Route, other: Manifest) -> bool:
    return bool(other["metadata"]["name"] == (route.user_route or route.apex))


def conflict(adapter: Mesh, route: Route, *others: Manifest) -> tuple[str, str] | None:
    """Ask about a conflict, and see that those who stand in the way say that they claim the apex."""
    assert isinstance(adapter, Claiming)
    found = adapter.conflict(route, others)
    named = [one for one in others if {route.apex, ANY} & set(adapter.services(one)) or is_route_itself(route, one)]
    again = adapter.conflict(route, named)
    assert str(again) == str(found)
    return None if found is None else (found.reason, str(found))


@BOTH
@pytest.mark.parametrize("rule", [EVERY, {"backendRefs": [to("x")]}, {"matches": [{}], "backendRefs": []}])
def test_a_second_route_for_every_request_stands_in_the_way(adapter: Mesh, rule: dict[str, Any]) -> None:
    found = conflict(adapter, HTTP, http_route(SOME, rule, name="theirs"))
    assert found is not None
    assert found[0] == "RouteConflict"
    assert found[1].startswith("HTTPRoute shop/theirs has a rule for every request to Service checkout")
    assert found[1].endswith("canary.delivery/route: theirs on checkout to keep the split in it.")


@BOTH
@pytest.mark.parametrize(
    "other",
    [
        http_route(SOME, name="narrow"),
        http_route(EVERY, name="of-cart", parents=({**PARENT, "name": "cart"},)),
        http_route(EVERY, name="of-another-port", parents=({**PARENT, "port": 9090},)),
        http_route(EVERY, name="of-a-gateway", parents=({"name": "checkout"},)),
        http_route(
            EVERY, name="for-clients-of-eu", metadata={"namespace": "eu"}, parents=({**PARENT, "namespace": "shop"},)
        ),
        {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "checkout"}},
    ],
    ids=lambda other: other["metadata"]["name"],
)
def test_what_leaves_most_requests_to_us_is_let_be(adapter: Mesh, other: Manifest) -> None:
    assert conflict(adapter, HTTP, other) is None


@BOTH
@pytest.mark.parametrize("route", [HTTP, EDGE])
def test_a_grpc_route_puts_an_http_route_out_of_use_whoever_wrote_it(adapter: Mesh, route: Route) -> None:
    found = conflict(adapter, route, grpc_route(SOME, name="calls"))
    assert found is not None
    assert found[0] == "RouteConflict"
    assert "GRPCRoute shop/calls is for Service checkout too" in found[1]
    assert "canary.delivery/protocol: grpc" in found[1]


@BOTH
def test_our_grpc_route_does_not_silently_disable_a_users_http_route(adapter: Mesh) -> None:
    found = conflict(adapter, GRPC, http_route(SOME, name="pages"))
    assert found is not None
    assert "would put it out of use" in found[1]
    assert conflict(adapter, GRPC_EDGE, http_route(SOME, name="pages")) is None


@BOTH
def test_our_own_route_of_an_earlier_protocol_is_to_be_deleted(adapter: Mesh) -> None:
    for now, before in ((GRPC, HTTP), (HTTP, GRPC)):
        found = conflict(adapter, now, adapter.render(before, 0, None))
        assert found is not None
        assert "was made when the port of checkout spoke another protocol" in found[1]


@BOTH
def test_a_users_route_stands_beside_others_of_its_kind(adapter: Mesh) -> None:
    assert conflict(adapter, EDGE, http_route(EVERY), http_route(EVERY, name="theirs")) is None


@BOTH
def test_a_foreign_object_of_our_name_is_a_conflict(adapter: Mesh) -> None:
    found = conflict(adapter, HTTP, http_route(SOME, name="checkout"))
    assert found is not None
    assert "is there already and is not ours" in found[1]
    with pytest.raises(RouteError, match="is there already"):
        adapter.render(HTTP, 10, http_route(SOME, name="checkout"))


def profile(name: str = "checkout.shop.svc.cluster.local", namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


ROUTES: dict[str, Any] = {"routes": [{"name": "GET /", "condition": {"pathRegex": "/"}}]}
OVERRIDES: dict[str, Any] = {"dstOverrides": [{"authority": "checkout.shop.svc.cluster.local:8080", "weight": "1"}]}


@pytest.mark.parametrize("route", [HTTP, EDGE, GRPC])
@pytest.mark.parametrize(
    ("spec", "named"),
    [(ROUTES, "routes"), (OVERRIDES, "dstOverrides"), (ROUTES | OVERRIDES, "routes and dstOverrides")],
)
@pytest.mark.parametrize("domain", ["cluster.local", "corp.example"])
def test_a_service_profile_that_overrides_the_route_is_named(
    route: Route, spec: dict[str, Any], named: str, domain: str
) -> None:
    found = conflict(Linkerd(), route, profile(f"checkout.shop.svc.{domain}", **spec))
    assert found is not None
    assert found[0] == "RouteConflict"
    assert f"ServiceProfile.linkerd.io shop/checkout.shop.svc.{domain} overrides all routes" in found[1]
    assert f"by its {named}; remove them" in found[1]


@pytest.mark.parametrize(
    "other",
    [
        profile(retryBudget={"retryRatio": 0.2}),
        profile(routes=[]),
        profile("cart.shop.svc.cluster.local", **ROUTES),
        profile("checkout-canary.shop.svc.cluster.local", **ROUTES),
        profile(namespace="eu", **ROUTES),
    ],
)
def test_other_service_profiles_are_let_be(other: Manifest) -> None:
    assert conflict(Linkerd(), HTTP, other) is None


def test_a_traffic_split_is_named_since_it_writes_a_service_profile() -> None:
    split = {
        "apiVersion": "split.smi-spec.io/v1alpha1",
        "kind": "TrafficSplit",
        "metadata": {"name": "old", "namespace": "shop"},
        "spec": {"service": "checkout.shop", "backends": []},
    }
    found = conflict(Linkerd(), HTTP, split)
    assert found is not None
    assert found[1].startswith("TrafficSplit.split.smi-spec.io shop/old splits Service checkout by a ServiceProfile")
    assert conflict(Linkerd(), HTTP, {**split, "spec": {"service": "cart"}}) is None


def test_linkerds_own_older_route_counts_as_one_more_route_of_the_service() -> None:
    legacy = {**http_route(EVERY, name="legacy"), "apiVersion": "policy.linkerd.io/v1beta3"}
    found = conflict(Linkerd(), HTTP, legacy)
    assert found is not None
    assert "HTTPRoute shop/legacy has a rule for every request" in found[1]
    assert found[1].endswith(
        "Remove it, or write it in gateway.networking.k8s.io, where canary.delivery/route can name it."
    )
    beside_grpc = conflict(Linkerd(), GRPC, legacy)
    assert beside_grpc is not None
    assert "canary.delivery/route: legacy" not in beside_grpc[1]
    assert conflict(GatewayApi(), HTTP, legacy) is None
    same_name = {**legacy, "metadata": {"name": "checkout", "namespace": "shop"}}
    assert "has a rule for every request" in str(conflict(Linkerd(), HTTP, same_name))


def virtual_service(host: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": "theirs", "namespace": "shop"}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}
    return {**kind, "metadata": metadata, "spec": {"hosts": [host], **spec}}


@pytest.mark.parametrize("route", [HTTP, EDGE])
def test_istios_own_route_for_the_same_host_is_named(route: Route) -> None:
    found = conflict(GatewayApi(), route, virtual_service("checkout.shop.svc.cluster.local"))
    assert found is not None
    assert found[1].startswith("VirtualService shop/theirs routes checkout.shop.svc.cluster.local for the mesh")
    assert found[1].endswith("Remove it, or set canary.delivery/mesh: istio on checkout.")
    for other in (virtual_service("cart"), virtual_service("checkout", gateways=["public"])):
        assert conflict(GatewayApi(), route, other) is None
    assert conflict(Linkerd(), route, virtual_service("checkout")) is None


@BOTH
@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([SOME, {"backendRefs": [to("checkout")]}], "has 2 rules that send to checkout alone"),
        ([{"backendRefs": [to("reviews")]}], "has no rule that sends to checkout alone; found: 1 to reviews"),
        (
            [{"backendRefs": [to("checkout") | {"port": 9090}]}],
            "give it one rule whose only backend is checkout (port 8080)",
        ),
        ([], "found: none"),
    ],
)
def test_a_users_route_that_cannot_hold_the_split_says_what_to_do(adapter: Mesh, rules: list[Any], why: str) -> None:
    with pytest.raises(RouteError) as caught:
        adapter.render(EDGE, 10, http_route(*rules))
    assert caught.value.reason == "RouteUnusable"
    assert why in str(caught.value)


@BOTH
def test_of_several_rules_the_one_named_canary_or_with_the_canary_at_rest_is_split(adapter: Mesh) -> None:
    named = http_route(SOME, {"name": "canary", "backendRefs": [to("checkout")]})
    assert adapter.render(EDGE, 10, named)["spec"]["rules"][0] == SOME
    resting = http_route(SOME, {"backendRefs": [to("checkout"), to("checkout-canary", 0)]})
    assert adapter.render(EDGE, 10, resting)["spec"]["rules"][0] == SOME
    assert adapter.render(replace(EDGE), 0, adapter.render(EDGE, 10, resting)) == resting
