"""Linkerd's proxy metrics of the inbound side, MESHES section 2.3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from canary.sandbox.exporter import Exporter, found_by
from canary.sandbox.exposition import histogram, written
from canary.sandbox.identity import Identity
from canary.sandbox.ledger import Ledger, Outcome

LINKERD_EDGES_MS = tuple(float(digit * 10**power) for power in range(5) for digit in (1, 2, 3, 4, 5))
"""The proxy's buckets: 1, 2, 3, 4, 5, 10, ... 50000."""

_OF_EVERY_REQUEST = {
    "direction": "inbound",
    "tls": "true",
    "srv_kind": "default",
    "srv_name": "all-unauthenticated",
    "route_kind": "default",
    "route_name": "default",
    "error": "",
}

_GRPC_FAILURES = frozenset({2, 4, 7, 13, 14, 15})
"""What the proxy classifies as failure (linkerd2-proxy, `http::classify::grpc`)."""


def _lines(pod: Identity, ledger: Ledger) -> Iterator[str]:
    if ledger.answers:
        requests = {key: value for key, value in _OF_EVERY_REQUEST.items() if key != "error"}
        yield "# TYPE request_total counter"
        yield f"request_total{{{written(requests)}}} {sum(one.count for one in ledger.answers.values())}"
    yield "# TYPE response_total counter"
    if ledger.probes:
        yield f"response_total{{{_probe()}}} {ledger.probes}"
    for outcome, durations in ledger.answers.items():
        yield f"response_total{{{_labels(outcome)}}} {durations.count}"
    yield "# TYPE response_latency_ms histogram"
    for outcome, durations in ledger.answers.items():
        counts, total = durations.buckets, durations.total_ms
        yield from histogram("response_latency_ms", _labels(outcome), ledger.edges_ms, counts, total)


def _labels(outcome: Outcome) -> str:
    failed = outcome.code >= 500 or outcome.grpc in _GRPC_FAILURES
    grpc = {} if outcome.grpc is None else {"grpc_status": str(outcome.grpc)}
    classified = {"status_code": str(outcome.code), "classification": "failure" if failed else "success"}
    return written({**_OF_EVERY_REQUEST, **classified, **grpc})


def _probe() -> str:
    probe = {"tls": "no_identity", "route_name": "probe", "status_code": "200", "classification": "success"}
    return written({**_OF_EVERY_REQUEST, **probe})


def _found_by(pod: Identity) -> Mapping[str, str]:
    """Return what Linkerd's own Prometheus adds: the Deployment, from the pod's label linkerd.io/proxy-deployment."""
    return {**found_by(pod), **({"deployment": pod.workload} if pod.workload else {})}


LINKERD = Exporter(edges_ms=LINKERD_EDGES_MS, lines=_lines, target=_found_by)
"""Linkerd."""
