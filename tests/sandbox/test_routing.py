"""What Istio makes of VirtualServices, by its own rules (MESHES sections 0 and 1), whoever wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from canary.errors import ConfigError
from canary.sandbox.routing import apex_ports, routing, rules_for
from canary.sandbox.rules import Backend, How, Match, Retries, Rule, Text
from tests.sandbox.dataplane import destination, service, split, virtual_service

ISTIO = routing("istio")


def backend(name: str = "checkout", weight: int = 1, port: int = 8080, namespace: str = "shop") -> Backend:
    return Backend(namespace=namespace, service=name, port=port, weight=weight)


def ports(namespace: str, name: str) -> Sequence[int]:
    return {("shop", "one-port"): [9090], ("shop", "two-ports"): [1, 2]}.get((namespace, name), [])


def rules(*objects: Mapping[str, Any], port_name: str = "http") -> tuple[Rule, ...]:
    (apex,) = apex_ports(service("checkout", port_name))
    return rules_for(ISTIO, apex, objects, ports)


ALL_TO_THE_APEX = (Rule(backends=(backend(),)),)


@pytest.mark.parametrize(
    ("route", "backends"),
    [
        (
            [destination("checkout", 90), destination("checkout-canary", 10)],
            [("checkout", 90), ("checkout-canary", 10)],
        ),
        ([destination("checkout", 3), destination("checkout-canary", 1)], [("checkout", 3), ("checkout-canary", 1)]),
        ([destination("checkout", 100), destination("checkout-canary", 0)], [("checkout", 100)]),
        ([destination("checkout"), destination("checkout-canary", 10)], [("checkout-canary", 10)]),
        ([destination("checkout-canary", 0)], [("checkout-canary", 1)]),
        ([destination("checkout-canary")], [("checkout-canary", 1)]),
        ([destination("checkout-canary.shop.svc.cluster.local", 100)], [("checkout-canary", 1)]),
    ],
)
def test_weights_are_parts_of_their_sum(route: list[Any], backends: list[tuple[str, int]]) -> None:
    found = rules(virtual_service({"route": route}))
    assert found == (Rule(backends=tuple(backend(name, weight) for name, weight in backends)),)


@pytest.mark.parametrize("weights", [(0, 0), (None, None), (-1, 101)])
def test_weights_that_istio_refuses_are_an_error(weights: tuple[int | None, int | None]) -> None:
    route = [destination("checkout", weights[0]), destination("checkout-canary", weights[1])]
    with pytest.raises(ConfigError, match=r"VirtualService shop/checkout http\[0\]: weights .* Istio refuses"):
        rules(virtual_service({"route": route}))


def test_without_a_route_object_all_goes_to_the_apex() -> None:
    assert rules() == ALL_TO_THE_APEX


@pytest.mark.parametrize(
    "other",
    [
        virtual_service({"route": [destination("x")]}, hosts=["checkout-canary"]),
        virtual_service({"route": [destination("x")]}, hosts=["checkout.shop"]),
        virtual_service({"route": [destination("x")]}, hosts=["*.eu.svc.cluster.local"]),
        virtual_service({"route": [destination("x")]}, gateways=["public"]),
        virtual_service(),
    ],
)
def test_a_route_object_for_others_changes_nothing(other: dict[str, Any]) -> None:
    assert rules(other) == ALL_TO_THE_APEX


@pytest.mark.parametrize(
    ("port_name", "is_split"),
    [("http", True), ("http-web", True), ("grpc-api", True), ("tcp", False), ("httpx", False), ("", False)],
)
def test_only_a_port_that_says_http_is_split(port_name: str, is_split: bool) -> None:
    found = rules(split(10), port_name=port_name)
    assert found == (
        (Rule(backends=(backend(weight=90), backend("checkout-canary", 10))),) if is_split else ALL_TO_THE_APEX
    )


def test_the_app_protocol_wins_over_the_ports_name() -> None:
    named = service("checkout", "web")
    named["spec"]["ports"][0]["appProtocol"] = "HTTP2"
    plain = service("checkout", "http")
    plain["spec"]["ports"][0]["appProtocol"] = "tcp"
    assert [apex_ports(each)[0].http for each in (named, plain)] == [True, False]


def test_of_two_objects_for_a_host_the_older_wins_and_an_exact_host_wins_over_a_wildcard() -> None:
    def aged(name: str, day: int, **spec: Any) -> dict[str, Any]:
        found = virtual_service({"route": [destination(name)]}, name=name, **spec)
        found["metadata"]["creationTimestamp"] = f"2026-01-{day:02}T00:00:00Z"
        return found

    wildcard = aged("wild", 1, hosts=["*.shop.svc.cluster.local"])
    assert rules(aged("young", 3), wildcard, aged("old", 2)) == (Rule(backends=(backend("old"),)),)
    assert rules(wildcard) == (Rule(backends=(backend("wild"),)),)


@pytest.mark.parametrize(("name", "port"), [("one-port", 9090), ("two-ports", 8080), ("missing", 8080)])
def test_a_destination_without_a_port_means_the_only_one_or_the_called_one(name: str, port: int) -> None:
    assert rules(virtual_service({"route": [destination(name, port=None)]})) == (
        Rule(backends=(backend(name, port=port),)),
    )


def test_a_match_restricts_a_rule_and_the_order_is_kept() -> None:
    insider = {
        "match": [
            {"headers": {"X-Canary": {"exact": "insider"}}, "uri": {"prefix": "/pay"}},
            {"headers": {"cookie": {"regex": "canary=.*"}}},
        ],
        "route": [destination("checkout-canary")],
        "retries": {"attempts": 0},
        "timeout": "1m1.5s",
    }
    for_gateways = {"match": [{"gateways": ["public"]}], "route": [destination("x")]}
    for_another_port = {"match": [{"port": 1}], "route": [destination("x")]}
    found = rules(virtual_service(for_gateways, insider, for_another_port, {"route": [destination("checkout")]}))
    assert found == (
        Rule(
            matches=(
                Match(path=Text(How.PREFIX, "/pay"), headers={"x-canary": Text(How.EXACT, "insider")}),
                Match(headers={"cookie": Text(How.REGEX, "canary=.*")}),
            ),
            backends=(backend("checkout-canary"),),
            retries=Retries(attempts=0, on="connect-failure,refused-stream,unavailable,cancelled"),
            timeout=61.5,
        ),
        *ALL_TO_THE_APEX,
    )


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"route": [destination("checkout")], "mirror": {"host": "x"}}, "mirror"),
        ({"route": [{**destination("checkout"), "headers": {}}]}, "headers"),
        ({"route": [{"destination": {"host": "checkout", "subset": "v1"}}]}, "subset"),
        ({"route": [destination("checkout")], "match": [{"method": {"exact": "GET"}}]}, "method"),
        ({"route": [destination("checkout")], "retries": {"attempts": 1, "perTryTimeout": "1s"}}, "perTryTimeout"),
    ],
)
def test_what_the_sandbox_does_not_know_is_an_error_not_a_guess(entry: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=f"does not know {named};"):
        rules(virtual_service(entry))


def test_a_mesh_without_a_data_plane_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no data plane of mesh 'smi'; it has .*istio"):
        routing("smi")
