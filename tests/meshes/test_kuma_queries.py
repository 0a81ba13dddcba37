"""Kuma's metrics: PromQL that a real parser reads back as what was meant, whatever the names hold."""

from __future__ import annotations

import re
from dataclasses import replace

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshes.contract import AppProtocol, Workload
from meshes.kuma import Kuma

WORKLOAD = Workload(
    namespace="shop",
    deployment="checkout",
    service="checkout-canary",
    pods="checkout-[a-z0-9]+-[a-z0-9]{5}",
    port=80,
    protocol=AppProtocol.HTTP,
    port_name="web",
    pod_port=8080,
)
GRPC = replace(WORKLOAD, protocol=AppProtocol.GRPC)
EQUAL = promql_parser.MatchOp.Equal
REGEX = promql_parser.MatchOp.Re
INBOUND = "localhost_8080|self_inbound_dp_80|self_inbound_dp_8080|self_inbound_dp_web"
MANAGER = {"envoy_http_conn_manager_prefix": (REGEX, INBOUND)}
CLUSTER = {"envoy_cluster_name": (REGEX, INBOUND)}
CLASS_5 = {"envoy_response_code_class": (EQUAL, "5")}

Matchers = dict[str, tuple[object, str]]


def parsed(selector: str) -> tuple[str | None, Matchers]:
    tree = promql_parser.parse(selector)
    assert isinstance(tree, promql_parser.VectorSelector)
    assert (tree.offset, tree.at, tree.matchers.or_matchers) == (None, None, [])
    return tree.name, {matcher.name: (matcher.op, matcher.value) for matcher in tree.matchers.matchers}


def pods(workload: Workload = WORKLOAD) -> Matchers:
    return {"namespace": (EQUAL, workload.namespace), "pod": (REGEX, workload.pods)}


def test_a_5xx_is_a_failed_request_of_http() -> None:
    counters = Kuma().requests(WORKLOAD)
    assert parsed(counters.total) == ("envoy_http_downstream_rq_xx", {**pods(), **MANAGER})
    assert parsed(counters.bad) == ("envoy_http_downstream_rq_xx", {**pods(), **MANAGER, **CLASS_5})
    assert counters.also_bad == ()


def test_a_server_fault_is_a_failed_request_of_grpc_too() -> None:
    counters = Kuma().requests(GRPC)
    assert parsed(counters.total) == ("envoy_cluster_grpc_total", {**pods(), **CLUSTER})
    assert (counters.bad, counters.also_total) == (Kuma().requests(WORKLOAD).bad, (counters.bad,))
    names = [f"envoy_cluster_grpc_{status}" for status in (2, 4, 12, 13, 14, 15)]
    assert [parsed(one) for one in counters.also_bad] == [(name, {**pods(), **CLUSTER}) for name in names]


BASIC = ("rq_time", "_rq", "error", "fail", "reset", "timeout", "cancelled", "reject", "denied", "cx_total")
"""Of what the names of metrics contain that a MeshMetric without a profile exports (kuma-dp, `basicProfile`)."""


def test_where_kuma_exports_no_statuses_of_grpc_there_is_no_total_that_makes_them_successes() -> None:
    counters = Kuma().requests(GRPC)
    exported = {
        str(name): any(part in str(name) for part in BASIC)
        for name, _ in (parsed(selector) for selector in (counters.total, *counters.also_bad))
    }
    assert set(exported.values()) == {False}


@pytest.mark.parametrize("workload", [WORKLOAD, GRPC], ids=["http", "grpc"])
def test_durations_are_a_histogram_in_milliseconds(workload: Workload) -> None:
    histogram = Kuma().latency(workload)
    assert parsed(histogram.bucket) == ("envoy_http_downstream_rq_time_bucket", {**pods(), **MANAGER})
    assert histogram.unit_ms == 1
    assert list(histogram.edges) == sorted(set(histogram.edges))
    assert {100, 250, 500, 1000} < set(histogram.edges)


@pytest.mark.parametrize(
    ("workload", "inbounds", "others"),
    [
        (WORKLOAD, ["localhost_8080", "self_inbound_dp_web", "self_inbound_dp_80"], ["localhost_9090", "admin"]),
        (
            replace(WORKLOAD, port_name=""),
            ["localhost_8080", "self_inbound_dp_80"],
            ["self_inbound_dp_", "localhost_80"],
        ),
        (replace(WORKLOAD, pod_port=None), ["localhost_8080", "localhost_9090", "self_inbound_dp_web"], ["admin"]),
    ],
    ids=["port and name known", "a port without name", "the pod's port unknown"],
)
def test_only_what_comes_in_at_the_service_s_port_is_counted(
    workload: Workload, inbounds: list[str], others: list[str]
) -> None:
    _, matchers = parsed(Kuma().requests(workload).total)
    wanted = re.compile(matchers["envoy_http_conn_manager_prefix"][1])
    always_out = ["ledger_shop_svc_9000", "outbound", "probe_listener", "kuma_metrics_prometheus"]
    assert [name for name in (*inbounds, *others, *always_out) if wanted.fullmatch(name)] == inbounds


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(namespace=NAMES, pod=NAMES, port_name=NAMES, protocol=st.sampled_from(AppProtocol))
def test_no_name_leaves_its_string(namespace: str, pod: str, port_name: str, protocol: AppProtocol) -> None:
    pattern = re.escape(pod)
    workload = replace(WORKLOAD, namespace=namespace, pods=pattern, port_name=port_name, protocol=protocol)
    counters = Kuma().requests(workload)
    for selector in (counters.total, counters.bad, *counters.also_bad, Kuma().latency(workload).bucket):
        _, matchers = parsed(selector)
        assert matchers["namespace"] == (EQUAL, namespace)
        assert matchers["pod"] == (REGEX, pattern)
