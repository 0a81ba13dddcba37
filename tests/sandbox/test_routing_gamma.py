"""What Linkerd and Istio make of the Gateway API's routes, by their own rules (MESHES sections 0, 2 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from canary.errors import ConfigError
from canary.sandbox.routing import apex_ports, routing, rules_for
from canary.sandbox.rules import Backend, How, Match, Rule, Text
from tests.meshes.gamma_objects import EVERY_PATH, PARENT, grpc_route, http_route, to
from tests.sandbox.dataplane import service

BOTH = ("linkerd", "gateway-api")


def backend(name: str = "checkout", weight: int = 1) -> Backend:
    return Backend(namespace="shop", service=name, port=8080, weight=weight)


def ports(namespace: str, name: str) -> Sequence[int]:
    return ()


def rules(mesh: str, *objects: Mapping[str, Any]) -> tuple[Rule, ...]:
    (apex,) = apex_ports(service("checkout"))
    return rules_for(routing(mesh), apex, objects, ports)


def routed(mesh: str, *refs: Any) -> Rule:
    [rule] = rules(mesh, http_route({"matches": EVERY_PATH, "backendRefs": list(refs)}))
    return rule


NO_ROUTE = (Rule(backends=(backend(),)),)


@pytest.mark.parametrize("mesh", BOTH)
@pytest.mark.parametrize(
    ("weights", "taken"),
    [
        ((90, 10), (("checkout", 90), ("checkout-canary", 10))),
        ((None, None), (("checkout", 1), ("checkout-canary", 1))),
        ((None, 10), (("checkout", 1), ("checkout-canary", 10))),
        ((100, 0), (("checkout", 100),)),
        ((0, 7), (("checkout-canary", 7),)),
    ],
)
def test_weights_are_parts_of_their_sum_an_omitted_one_is_1(
    mesh: str, weights: tuple[int | None, int | None], taken: tuple[tuple[str, int], ...]
) -> None:
    found = routed(mesh, to("checkout", weights[0]), to("checkout-canary", weights[1]))
    assert found == Rule(backends=tuple(backend(name, weight) for name, weight in taken), missing=500)


def test_all_zero_brings_down_linkerds_proxies_and_is_500_with_istio() -> None:
    with pytest.raises(ConfigError, match=r"HTTPRoute shop/edge rules\[0\]: weights \[0, 0\]: the client's proxy"):
        routed("linkerd", to("checkout", 0), to("checkout-canary", 0))
    assert routed("gateway-api", to("checkout", 0), to("checkout-canary", 0)) == Rule(
        backends=(), answer=500, missing=500
    )


def test_a_single_backend_of_weight_0_gets_all_from_linkerd_and_nothing_from_istio() -> None:
    assert routed("linkerd", to("checkout-canary", 0)) == Rule(backends=(backend("checkout-canary"),), missing=500)
    assert routed("gateway-api", to("checkout-canary", 0)) == Rule(backends=(), answer=500, missing=500)


def test_a_rule_without_backends_means_the_parent_to_linkerd_and_404_to_istio() -> None:
    assert routed("linkerd") == Rule(backends=(backend(),), missing=500)
    assert routed("gateway-api") == Rule(backends=(), answer=404, missing=500)


CORE = {**PARENT, "group": "core"}


def test_only_linkerd_takes_the_group_core() -> None:
    live = http_route({"backendRefs": [to("checkout-canary")]}, parents=(CORE,))
    assert rules("linkerd", live) == (Rule(backends=(backend("checkout-canary"),), missing=500),)
    assert rules("gateway-api", live) == NO_ROUTE


@pytest.mark.parametrize("mesh", BOTH)
@pytest.mark.parametrize(
    "parent",
    [{"name": "checkout"}, {**PARENT, "port": 9090}, {**PARENT, "name": "cart"}, {**PARENT, "namespace": "eu"}],
)
def test_a_route_of_another_parent_changes_nothing(mesh: str, parent: dict[str, Any]) -> None:
    assert rules(mesh, http_route({"backendRefs": [to("x")]}, parents=(parent,))) == NO_ROUTE


@pytest.mark.parametrize("mesh", BOTH)
def test_a_grpc_route_puts_an_http_route_out_of_use(mesh: str) -> None:
    pages, calls = http_route({"backendRefs": [to("pages")]}), grpc_route({"backendRefs": [to("calls")]})
    assert rules(mesh, pages, calls) == (Rule(backends=(backend("calls"),), missing=500),)


@pytest.mark.parametrize("field", ["routes", "dstOverrides"])
def test_a_service_profile_puts_every_route_out_of_use_in_linkerd(field: str) -> None:
    metadata = {"name": "checkout.shop.svc.cluster.local", "namespace": "shop"}
    profile = {"apiVersion": "linkerd.io/v1alpha2", "kind": "ServiceProfile", "metadata": metadata}
    live = http_route({"backendRefs": [to("checkout-canary")]})
    assert rules("linkerd", live, {**profile, "spec": {field: [{}]}}) == NO_ROUTE
    assert rules("linkerd", live, {**profile, "spec": {}}) != NO_ROUTE


def spoken(app_protocol: str = "", name: str = "web", **annotations: str) -> dict[str, Any]:
    made = service("checkout", name)
    made["metadata"]["annotations"] = annotations
    made["spec"]["ports"][0] |= {"appProtocol": app_protocol} if app_protocol else {}
    return made


@pytest.mark.parametrize(
    ("apex", "route", "is_split"),
    [
        (spoken(), http_route, True),
        (spoken("http"), http_route, True),
        (spoken("kubernetes.io/h2c"), grpc_route, True),
        (spoken("http"), grpc_route, False),
        (spoken("tcp"), http_route, False),
        (spoken("grpc", "grpc"), grpc_route, False),
        (spoken(**{"config.linkerd.io/opaque-ports": "25,8080"}), http_route, False),
    ],
)
def test_linkerd_detects_http_but_for_opaque_ports_and_takes_http_for_version_1(
    apex: dict[str, Any], route: Any, is_split: bool
) -> None:
    live = route({"backendRefs": [to("checkout-canary")]})
    [port] = apex_ports(apex)
    found = rules_for(routing("linkerd"), port, (live, apex), ports)
    assert found == ((Rule(backends=(backend("checkout-canary"),), missing=500),) if is_split else NO_ROUTE)


@pytest.mark.parametrize("mesh", BOTH)
def test_the_most_specific_match_comes_first_wherever_it_stands_then_the_older_route(mesh: str) -> None:
    def aged(route: Any, day: int) -> Any:
        route["metadata"]["creationTimestamp"] = f"2026-01-0{day}T00:00:00Z"
        return route

    young = http_route(
        {"backendRefs": [to("young")]},
        {"matches": [{"path": {"value": "/a"}}], "backendRefs": [to("short")], "timeouts": {"request": "1.5s"}},
        {"matches": [{"path": {"type": "Exact", "value": "/a"}}], "backendRefs": [to("exact")]},
        {
            "matches": [{"headers": [{"name": "X-Tester", "value": "yes"}, {"name": "b", "value": "c"}]}],
            "backendRefs": [to("tester")],
        },
        {"matches": [{"path": {"value": "/a/long"}}], "backendRefs": [to("long")]},
    )
    old = http_route({"backendRefs": [to("old")]}, name="old")
    found = rules(mesh, aged(young, 2), aged(old, 1))
    assert [rule.backends[0].service for rule in found] == ["exact", "long", "short", "tester", "old", "young"]
    assert found[2] == Rule(
        matches=(Match(path=Text(How.REGEX, "/a(/.*)?"), headers={}),),
        backends=(backend("short"),),
        timeout=1.5,
        missing=500,
    )
    assert found[3].matches == (Match(headers={"x-tester": Text(How.EXACT, "yes"), "b": Text(How.EXACT, "c")}),)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ({"service": "shop.Cart", "method": "Add"}, Text(How.EXACT, "/shop.Cart/Add")),
        ({"service": "shop.Cart"}, Text(How.REGEX, r"/shop\.Cart/[^/]+")),
        ({"method": "Add"}, Text(How.REGEX, "/[^/]+/Add")),
    ],
)
def test_a_grpc_method_is_a_path(method: dict[str, str], path: Text) -> None:
    [found] = rules("linkerd", grpc_route({"matches": [{"method": method}], "backendRefs": [to("cart")]}))
    assert found.matches == (Match(path=path, headers={}),)


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ({"filters": [{"type": "RequestMirror"}], "backendRefs": [to("checkout")]}, "does not know filters"),
        ({"backendRefs": [to("checkout", filters=[])]}, "does not know filters"),
        ({"matches": [{"method": "GET"}], "backendRefs": [to("checkout")]}, "does not know method"),
        ({"timeouts": {"backendRequest": "1s"}, "backendRefs": []}, "does not know backendRequest"),
        ({"backendRefs": [{"name": "checkout"}]}, "the backend checkout has no port"),
        ({"backendRefs": [to("checkout", kind="Bucket")]}, "is no Service"),
        ({"backendRefs": [to("checkout", 1_000_001)]}, "the CRD takes 0 to 1000000"),
    ],
)
def test_what_the_sandbox_does_not_know_is_an_error_not_a_guess(rule: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        rules("linkerd", http_route(rule))
