"""Istio's standard metrics as a sidecar reports them (reporter="destination"), MESHES section 1.4."""

from __future__ import annotations

from collections.abc import Iterator

from canary.sandbox.exporter import Exporter, service_of
from canary.sandbox.exposition import histogram, written
from canary.sandbox.identity import Identity
from canary.sandbox.ledger import Ledger, Outcome

ISTIO_EDGES_MS = (
    *(0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3),
    *(5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6),
)
"""The buckets of Istio's Envoy (`le` of istio_request_duration_milliseconds)."""


def _lines(pod: Identity, ledger: Ledger) -> Iterator[str]:
    yield "# TYPE istio_requests_total counter"
    for outcome, durations in ledger.answers.items():
        yield f"istio_requests_total{{{_labels(pod, outcome)}}} {durations.count}"
    name = "istio_request_duration_milliseconds"
    yield f"# TYPE {name} histogram"
    for outcome, durations in ledger.answers.items():
        labels = _labels(pod, outcome)
        yield from histogram(name, labels, ledger.edges_ms, durations.buckets, durations.total_ms)


def _labels(pod: Identity, outcome: Outcome) -> str:
    service, service_namespace = service_of(outcome.host, pod.namespace)
    grpc = outcome.grpc is not None
    return written(
        {
            "reporter": "destination",
            "source_workload": "unknown",
            "source_workload_namespace": "unknown",
            "destination_workload": pod.workload or "unknown",
            "destination_workload_namespace": pod.namespace,
            "destination_app": pod.app or "unknown",
            "destination_version": pod.version or "unknown",
            "destination_service": f"{service}.{service_namespace}.svc.cluster.local",
            "destination_service_name": service,
            "destination_service_namespace": service_namespace,
            "request_protocol": "grpc" if grpc else "http",
            "response_code": str(outcome.code),
            "grpc_response_status": str(outcome.grpc) if grpc else "",
            "response_flags": "-",
        }
    )


ISTIO = Exporter(edges_ms=ISTIO_EDGES_MS, lines=_lines)
"""Istio with sidecars."""
