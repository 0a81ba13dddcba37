"""What a pod exports, against Istio's metrics as its sidecars make them."""

from __future__ import annotations

import pytest

from canary.errors import ConfigError
from canary.sandbox.exporter import service_of
from canary.sandbox.exporter_istio import ISTIO_EDGES_MS
from canary.sandbox.exporters import exporter
from canary.sandbox.identity import Identity, identity
from canary.sandbox.ledger import Ledger, Outcome
from tests.sandbox.dataplane import HOST, pod

POD = pod("checkout-primary", "abc12", "10.0.0.1", image="registry:5000/shop/checkout:v1@sha256:00")
WHO = identity(POD)


def labels(code: int, protocol: str = "http", status: str = "") -> str:
    return (
        'reporter="destination",source_workload="unknown",source_workload_namespace="unknown",'
        'destination_workload="checkout-primary",destination_workload_namespace="shop",destination_app="checkout",'
        'destination_version="v1",destination_service="checkout.shop.svc.cluster.local",'
        'destination_service_name="checkout",destination_service_namespace="shop",'
        f'request_protocol="{protocol}",response_code="{code}",grpc_response_status="{status}",response_flags="-"'
    )


def lines(ledger: Ledger) -> list[str]:
    return list(exporter("istio").lines(WHO, ledger))


def test_a_pod_is_known_by_its_replica_sets_deployment_its_template_hash_and_its_images_tag() -> None:
    assert identity(POD) == Identity(
        namespace="shop",
        name="checkout-primary-abc12-1",
        workload="checkout-primary",
        revision="abc12",
        version="v1",
        app="checkout",
    )


def test_a_series_appears_only_after_the_first_answer_of_its_code() -> None:
    ledger = Ledger(ISTIO_EDGES_MS)
    requests, durations = "# TYPE istio_requests_total counter", "# TYPE istio_request_duration_milliseconds histogram"
    assert lines(ledger) == [requests, durations]
    ledger.add(Outcome(HOST, 200), 1.0)
    ledger.add(Outcome(HOST, 200), 1.0)
    told = lines(ledger)
    assert told[:3] == [requests, f"istio_requests_total{{{labels(200)}}} 2", durations]
    assert not any('response_code="500"' in line for line in told)
    ledger.add(Outcome(HOST, 500), 1.0)
    assert f"istio_requests_total{{{labels(500)}}} 1" in lines(ledger)


def test_a_grpc_answer_has_its_own_status_beside_http_200() -> None:
    ledger = Ledger(ISTIO_EDGES_MS)
    ledger.add(Outcome(HOST, 200, 14), 1.0)
    assert lines(ledger)[1] == f"istio_requests_total{{{labels(200, 'grpc', '14')}}} 1"


def test_the_buckets_are_istios() -> None:
    text = "0.5 1 5 10 25 50 100 250 500 1000 2500 5000 10000 30000 60000 300000 600000 1800000 3600000"
    assert tuple(float(edge) for edge in text.split()) == ISTIO_EDGES_MS


def test_durations_fill_istios_buckets_cumulatively_with_the_edge_included() -> None:
    ledger = Ledger(ISTIO_EDGES_MS)
    for duration in (0.25, 5.0, 5.5, 4e6):
        ledger.add(Outcome(HOST, 200), duration)
    name = "istio_request_duration_milliseconds"
    edges = [f"{edge:.12g}" for edge in ISTIO_EDGES_MS] + ["+Inf"]
    counts = [1, 1, 2, *[3] * 16, 4]
    assert lines(ledger)[3:] == [
        *(f'{name}_bucket{{{labels(200)},le="{le}"}} {count}' for le, count in zip(edges, counts, strict=True)),
        f"{name}_sum{{{labels(200)}}} 4000010.75",
        f"{name}_count{{{labels(200)}}} 4",
    ]


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("checkout", ("checkout", "shop")),
        ("checkout:8080", ("checkout", "shop")),
        ("checkout.eu", ("checkout", "eu")),
        ("Checkout.eu.svc.cluster.local:8080", ("checkout", "eu")),
        ('bad"host', ("unknown", "unknown")),
        ("", ("unknown", "unknown")),
    ],
)
def test_the_host_that_was_asked_for_names_the_service(host: str, meant: tuple[str, str]) -> None:
    assert service_of(host, "shop") == meant


def test_a_mesh_without_metrics_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no metrics of mesh 'smi'; it has .*istio"):
        exporter("smi")
