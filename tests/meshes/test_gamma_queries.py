"""Linkerd's metrics, and whose metrics are asked for where the Gateway API does not say which mesh it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshes.contract import AppProtocol, Manifest, Mesh, RouteError, Workload
from meshes.gateway_api import GatewayApi
from meshes.istio import Istio
from meshes.kuma import Kuma
from meshes.linkerd import Linkerd
from tests.meshes.gamma_objects import HTTP, ISTIO, LINKERD, PARENT, answered

WORKLOAD = Workload(
    namespace="shop",
    deployment="checkout",
    service="checkout-canary",
    pods="checkout-[a-z0-9]+-[a-z0-9]{5}",
    port=8080,
    protocol=AppProtocol.HTTP,
)
OURS = GatewayApi().render(HTTP, 10, None)
KUMA = "gateways.kuma.io/controller"
EQUAL, NOT_EQUAL = promql_parser.MatchOp.Equal, promql_parser.MatchOp.NotEqual


def parsed(selector: str) -> tuple[str | None, dict[str, tuple[object, str]]]:
    tree = promql_parser.parse(selector)
    assert isinstance(tree, promql_parser.VectorSelector)
    assert (tree.offset, tree.at, tree.matchers.or_matchers) == (None, None, [])
    return tree.name, {matcher.name: (matcher.op, matcher.value) for matcher in tree.matchers.matchers}


def selected(workload: Workload) -> dict[str, tuple[object, str]]:
    return {
        "namespace": (EQUAL, workload.namespace),
        "deployment": (EQUAL, workload.deployment),
        "direction": (EQUAL, "inbound"),
        "route_name": (NOT_EQUAL, "probe"),
    }


@pytest.mark.parametrize("protocol", AppProtocol)
def test_linkerd_classifies_http_and_grpc_alike_and_probes_do_not_count(protocol: AppProtocol) -> None:
    workload = replace(WORKLOAD, protocol=protocol)
    counters = Linkerd().requests(workload)
    assert parsed(counters.total) == ("response_total", selected(workload))
    assert parsed(counters.bad) == ("response_total", {**selected(workload), "classification": (EQUAL, "failure")})
    histogram = Linkerd().latency(workload)
    assert parsed(histogram.bucket) == ("response_latency_ms_bucket", selected(workload))
    assert (histogram.unit_ms, len(histogram.edges), histogram.edges[0], histogram.edges[-1]) == (1, 25, 1, 50_000)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(namespace=NAMES, deployment=NAMES)
def test_no_name_leaves_its_string(namespace: str, deployment: str) -> None:
    workload = replace(WORKLOAD, namespace=namespace, deployment=deployment)
    for selector in (Linkerd().requests(workload).bad, Linkerd().latency(workload).bucket):
        assert selected(workload).items() <= parsed(selector)[1].items()


def of(live: Manifest | None) -> Workload:
    return replace(WORKLOAD, route=live)


@pytest.mark.parametrize(
    ("controller", "mesh"),
    [(ISTIO, Istio()), ("istio.io/mesh-controller", Istio()), (LINKERD, Linkerd()), (KUMA, Kuma())],
)
@pytest.mark.parametrize("protocol", AppProtocol)
def test_the_mesh_that_took_the_route_says_whose_metrics_are_asked(
    controller: str, mesh: Mesh, protocol: AppProtocol
) -> None:
    workload = replace(of(answered(OURS, controller)), protocol=protocol)
    assert GatewayApi().requests(workload) == mesh.requests(workload)
    assert GatewayApi().latency(workload) == mesh.latency(workload)


GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}


@pytest.mark.parametrize(
    ("live", "why"),
    [
        (None, "no mesh has taken its route yet"),
        (OURS, "no mesh has taken its route yet"),
        (answered(OURS, LINKERD, Accepted=("False", "NoMatchingParent")), "no mesh has taken its route yet"),
        (answered(OURS, ISTIO, parent=GATEWAY), "no mesh has taken its route yet"),
        (answered(OURS, "example.com/mesh"), "was taken by example.com/mesh, whose metrics are not known"),
        (answered(answered(OURS, ISTIO), LINKERD), "both istio and linkerd took its route"),
    ],
)
def test_without_one_known_mesh_a_built_in_check_is_an_error_that_says_what_to_do(live: Any, why: str) -> None:
    for ask in (GatewayApi().requests, GatewayApi().latency):
        with pytest.raises(RouteError) as caught:
            ask(of(live))
        assert caught.value.reason == "MetricsUnknown"
        assert why in str(caught.value)
    if "example.com" in why:
        assert "canary.delivery/check.NAME" in str(caught.value)
        assert "canary.delivery/success-rate: off" in str(caught.value)


def test_a_gateways_word_beside_the_meshs_does_not_confuse() -> None:
    live = answered(answered(OURS, "example.com/edge", parent=GATEWAY), ISTIO, parent=PARENT)
    assert GatewayApi().requests(of(live)) == Istio().requests(of(live))
