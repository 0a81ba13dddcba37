"""Istio's metrics: PromQL that a real parser reads back as what was meant, whatever the names hold."""

from __future__ import annotations

from dataclasses import replace

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshes.contract import AppProtocol, Workload
from meshes.istio import Istio

WORKLOAD = Workload(
    namespace="shop",
    deployment="checkout",
    service="checkout-canary",
    pods="checkout-[a-z0-9]+-[a-z0-9]{5}",
    port=8080,
    protocol=AppProtocol.HTTP,
)
GRPC = replace(WORKLOAD, protocol=AppProtocol.GRPC)
EQUAL = promql_parser.MatchOp.Equal
REGEX = promql_parser.MatchOp.Re


def parsed(selector: str) -> tuple[str | None, dict[str, tuple[object, str]]]:
    tree = promql_parser.parse(selector)
    assert isinstance(tree, promql_parser.VectorSelector)
    assert tree.offset is None
    assert tree.at is None
    assert tree.matchers.or_matchers == []
    return tree.name, {matcher.name: (matcher.op, matcher.value) for matcher in tree.matchers.matchers}


def selected(workload: Workload) -> dict[str, tuple[object, str]]:
    return {
        "reporter": (REGEX, "destination|waypoint"),
        "destination_workload_namespace": (EQUAL, workload.namespace),
        "destination_workload": (EQUAL, workload.deployment),
    }


def test_a_5xx_is_a_failed_request_of_http() -> None:
    counters = Istio().requests(WORKLOAD)
    assert parsed(counters.total) == ("istio_requests_total", selected(WORKLOAD))
    failed = {**selected(WORKLOAD), "response_code": (REGEX, "5..")}
    assert parsed(counters.bad) == ("istio_requests_total", failed)


def test_a_server_fault_is_a_failed_request_of_grpc() -> None:
    counters = Istio().requests(GRPC)
    total = {**selected(GRPC), "request_protocol": (EQUAL, "grpc")}
    assert parsed(counters.total) == ("istio_requests_total", total)
    failed = {**total, "grpc_response_status": (REGEX, "2|4|12|13|14|15")}
    assert parsed(counters.bad) == ("istio_requests_total", failed)


@pytest.mark.parametrize(
    ("workload", "more"), [(WORKLOAD, {}), (GRPC, {"request_protocol": (EQUAL, "grpc")})], ids=["http", "grpc"]
)
def test_durations_are_a_histogram_in_milliseconds(workload: Workload, more: dict[str, tuple[object, str]]) -> None:
    histogram = Istio().latency(workload)
    assert parsed(histogram.bucket) == (
        "istio_request_duration_milliseconds_bucket",
        {**selected(workload), **more},
    )
    assert histogram.unit_ms == 1
    assert list(histogram.edges) == sorted(set(histogram.edges))
    assert {100, 250, 500, 1000} < set(histogram.edges)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(namespace=NAMES, deployment=NAMES, protocol=st.sampled_from(AppProtocol))
def test_no_name_leaves_its_string(namespace: str, deployment: str, protocol: AppProtocol) -> None:
    workload = replace(WORKLOAD, namespace=namespace, deployment=deployment, protocol=protocol)
    counters = Istio().requests(workload)
    for selector in (counters.total, counters.bad, Istio().latency(workload).bucket):
        _, matchers = parsed(selector)
        assert selected(workload).items() <= matchers.items()


@pytest.mark.parametrize(
    "name", ['a"} or vector(1) #', "a\\", "a\nb", "a'b", "a`b", "{{ x }}", "\u2028", "\U0001f600", ".*"]
)
def test_hostile_names_are_only_names(name: str) -> None:
    _, matchers = parsed(Istio().requests(replace(WORKLOAD, deployment=name)).bad)
    assert matchers["destination_workload"] == (EQUAL, name)
    assert len(matchers) == 4
