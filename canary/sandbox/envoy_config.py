"""Envoy's own configuration as JSON: the bootstrap and the resources that it watches as files. Pure.

One cluster, one listener and one route configuration for each port of each Service, all named by `port_key`; names and
shapes never change, so that no change ever replaces a listener or drops a connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from canary.sandbox.discovery import port_key
from canary.sandbox.processes import Address
from canary.sandbox.rules import Match, Retries, Rule, Text

Json = Mapping[str, Any]

_CONFIG = "type.googleapis.com/envoy.config"
_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_NO_LIMIT = 4294967295


def bootstrap(folder: Path) -> Json:
    """Return the start configuration: administration on a free port, everything else from files in `folder`."""
    return {
        "node": {"id": "sandbox", "cluster": "sandbox"},
        "admin": {"address": _address(("127.0.0.1", 0))},
        "dynamic_resources": {
            "cds_config": _file(folder, "cds.json"),
            "lds_config": _file(folder, "lds.json"),
        },
    }


def cluster(folder: Path, key: str) -> Json:
    """Return the cluster of one port; a connection to a backend is tried for 10 s, Istio's default, without limits."""
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {
        "@type": f"{_CONFIG}.cluster.v3.Cluster",
        "name": key,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": _file(folder, f"eds-{key}.json")},
        "connect_timeout": "10s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [dict.fromkeys(limits, _NO_LIMIT)]},
    }


def endpoints(key: str, addresses: Sequence[Address]) -> Json:
    """Return the endpoints of one port's cluster; with none, Envoy answers 503 itself."""
    hosts = [{"endpoint": {"address": _address(address)}} for address in addresses]
    return {
        "@type": f"{_CONFIG}.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": key,
        "endpoints": [{"lb_endpoints": hosts}] if hosts else [],
    }


def listener(folder: Path, key: str) -> Json:
    """Return the listener of one port, on a free port of 127.0.0.1."""
    manager = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": key,
        "generate_request_id": False,
        "rds": {"route_config_name": key, "config_source": _file(folder, f"rds-{key}.json")},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_EXTENSIONS}.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            }
        ],
    }
    return {
        "@type": f"{_CONFIG}.listener.v3.Listener",
        "name": key,
        "address": _address(("127.0.0.1", 0)),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def routes(key: str, rules: Iterable[Rule], retries: Retries) -> Json:
    """Return the route configuration of one port; a request that no rule fits is answered 404."""
    found = [{"match": match, **_action(rule, rule.retries or retries)} for rule in rules for match in _matches(rule)]
    return {
        "@type": f"{_CONFIG}.route.v3.RouteConfiguration",
        "name": key,
        # A backend that does not exist is answered as the rule says; checking here would refuse the whole change.
        "validate_clusters": False,
        "virtual_hosts": [{"name": key, "domains": ["*"], "routes": found}],
    }


def _matches(rule: Rule) -> list[Json]:
    return [_match(match) for match in rule.matches] or [{"prefix": "/"}]


def _match(match: Match) -> Json:
    headers = [{"name": name, "string_match": _text(text)} for name, text in match.headers.items()]
    return {**_path(match.path), **({"headers": headers} if headers else {})}


def _path(path: Text | None) -> Json:
    if path is None:
        return {"prefix": "/"}
    found = _text(path)
    return {"path": found["exact"]} if "exact" in found else found


def _text(text: Text) -> Json:
    match text:
        case Text("exact", value):
            return {"exact": value}
        case Text("prefix", value):
            return {"prefix": value}
        case Text(_, value):
            return {"safe_regex": {"regex": value}}


def _action(rule: Rule, retries: Retries) -> Json:
    if rule.answer is not None:
        return {"direct_response": {"status": rule.answer}}
    timeout = f"{rule.timeout or 0:.9f}".rstrip("0").rstrip(".") + "s"
    # 503 is Envoy's own answer for a cluster that is not there.
    missing = {500: {"cluster_not_found_response_code": "INTERNAL_SERVER_ERROR"}, 503: {}}[rule.missing]
    return {"route": {**_destination(rule), "timeout": timeout, **missing, **_retry_policy(retries)}}


def _destination(rule: Rule) -> Json:
    weights = [
        {"name": port_key(backend.namespace, backend.service, backend.port), "weight": backend.weight}
        for backend in rule.backends
    ]
    return {"cluster": weights[0]["name"]} if len(weights) == 1 else {"weighted_clusters": {"clusters": weights}}


def _retry_policy(retries: Retries) -> Json:
    """Return the policy; as Istio, it tries another host than the one that failed."""
    if not retries.attempts:
        return {}
    previous = {
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": {"@type": f"{_EXTENSIONS}.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
    }
    return {
        "retry_policy": {
            "retry_on": retries.on,
            "num_retries": retries.attempts,
            "retry_host_predicate": [previous],
            "host_selection_retry_max_attempts": 5,
        }
    }


def _file(folder: Path, name: str) -> Json:
    return {"resource_api_version": "V3", "path_config_source": {"path": str(folder / name)}}


def _address(address: Address) -> Json:
    return {"socket_address": {"address": address[0], "port_value": address[1]}}
