"""What Envoy is told: from a cluster's objects to the configuration's fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from canary.sandbox import envoy_config
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.discovery import NOWHERE, Discovered, Rules, discover
from canary.sandbox.envoy_files import Files
from canary.sandbox.routing import routing
from canary.sandbox.rules import Backend, How, Match, Retries, Rule, Text
from tests.sandbox.dataplane import destination, endpoints, service, virtual_service

REAL = {"10.0.0.1": ("127.0.0.1", 1001), "10.0.0.2": ("127.0.0.1", 1002), "10.0.0.3": ("127.0.0.1", 1003)}


def found(*objects: dict[str, Any], before: Rules | None = None) -> Discovered:
    cluster = InMemoryCluster()
    try:
        for each in objects:
            cluster.apply(each)
        return discover(cluster.client("late"), routing("istio"), REAL.get, before or {})
    finally:
        cluster.close()


def to(name: str, weight: int = 1) -> Backend:
    return Backend(namespace="shop", service=name, port=8080, weight=weight)


async def test_only_ready_endpoints_of_the_port_are_told_and_an_unknown_ip_refuses() -> None:
    unnamed = endpoints("other", ["10.0.0.1"])
    unnamed["ports"] = [{"name": "metrics", "port": 1}]
    told = found(
        service("checkout"),
        service("other"),
        endpoints("checkout", ["10.0.0.2", "10.0.0.1", "10.9.9.9"], ["10.0.0.3"]),
        unnamed,
    )
    assert told == Discovered(
        endpoints={"shop_checkout_8080": (NOWHERE, REAL["10.0.0.1"], REAL["10.0.0.2"]), "shop_other_8080": ()},
        rules={
            "shop_checkout_8080": (Rule(backends=(to("checkout"),)),),
            "shop_other_8080": (Rule(backends=(to("other"),)),),
        },
        faults=(),
    )


async def test_a_faulty_route_object_leaves_the_rules_as_they_were() -> None:
    refused = virtual_service({"route": [destination("checkout", 0), destination("checkout-canary", 0)]})
    before = {"shop_checkout_8080": (Rule(backends=(to("checkout", 60), to("checkout-canary", 40))),)}
    kept = found(service("checkout"), refused, before=before)
    fresh = found(service("checkout"), refused)
    assert kept.rules == before
    assert fresh.rules == {"shop_checkout_8080": (Rule(backends=(to("checkout"),)),)}
    assert kept.faults == fresh.faults
    assert [fault.partition(":")[0] for fault in kept.faults] == ["VirtualService shop/checkout http[0]"]


def test_rules_become_routes_in_order() -> None:
    match = Match(path=Text(How.EXACT, "/pay"), headers={"a": Text(How.PREFIX, "b"), "c": Text(How.REGEX, "d.*")})
    rules = (
        Rule(matches=(match,), backends=(to("checkout-canary", 7),), retries=Retries(attempts=0, on=""), timeout=1.5),
        Rule(backends=(to("checkout", 90), to("checkout-canary", 10))),
    )
    told = envoy_config.routes("key", rules, Retries(attempts=2, on="connect-failure"))
    first, second = told["virtual_hosts"][0]["routes"]
    policy = second["route"].pop("retry_policy")
    assert first == {
        "match": {
            "path": "/pay",
            "headers": [
                {"name": "a", "string_match": {"prefix": "b"}},
                {"name": "c", "string_match": {"safe_regex": {"regex": "d.*"}}},
            ],
        },
        "route": {"cluster": "shop_checkout-canary_8080", "timeout": "1.5s"},
    }
    weights = [{"name": "shop_checkout_8080", "weight": 90}, {"name": "shop_checkout-canary_8080", "weight": 10}]
    assert second == {
        "match": {"prefix": "/"},
        "route": {"weighted_clusters": {"clusters": weights}, "timeout": "0s"},
    }
    assert (policy["num_retries"], policy["retry_on"]) == (2, "connect-failure")


def test_a_file_is_pending_until_envoy_names_its_version(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.put("cds.json", [])
    files.put("eds-a.json", [{"x": 1}])
    files.put("rds-a.json", [{"x": 1}])
    files.put("cds.json", [])
    in_force = 'cluster_manager.cds.version_text: "1"\ncluster.a.version_text: "2"\nhttp.a.rds.a.version_text: "3"\n'
    assert files.pending("") == ["cds.json", "eds-a.json", "rds-a.json"]
    assert files.pending(in_force) == []
    assert files.pending(in_force + "cluster_manager.warming_clusters: 1\n") == ["cluster_manager.warming_clusters"]
    files.put("eds-a.json", [{"x": 2}])
    assert files.pending(in_force) == ["eds-a.json"]
    files.keep_only([])
    assert files.pending(in_force) == []
    assert [path.name for path in tmp_path.iterdir()] == ["cds.json"]
