"""Envoy's own metrics as a Kuma sidecar exports them, MESHES section 3.3.

The inbound listener and its cluster are named by the pod's port. The pod's own calls are counted too, as Envoy does,
under another cluster: each request makes one, and all of them succeed, so that a query that does not tell inbound from
outbound takes every canary for healthy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from canary.sandbox.exporter import Exporter
from canary.sandbox.exposition import histogram, written
from canary.sandbox.identity import Identity
from canary.sandbox.ledger import Ledger

ENVOY_EDGES_MS = (
    *(0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3),
    *(5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6),
)
"""The buckets of Envoy's histograms in milliseconds, where nobody configured others."""

ELSEWHERE = "ledger_shop_svc_9000"
MANAGER, CLUSTER, CODE, CLASS = (
    "envoy_http_conn_manager_prefix",
    "envoy_cluster_name",
    "envoy_response_code",
    "envoy_response_code_class",
)

Counted = Mapping[tuple[str, ...], int]


def _lines(pod: Identity, ledger: Ledger) -> Iterator[str]:
    inbound = f"localhost_{pod.port}"
    codes: Counter[int] = Counter()
    statuses: Counter[int] = Counter()
    buckets, total_ms = [0] * (len(ledger.edges_ms) + 1), 0.0
    for outcome, durations in ledger.answers.items():
        codes[outcome.code] += durations.count
        if outcome.grpc is not None:
            statuses[outcome.grpc] += durations.count
        buckets = [mine + more for mine, more in zip(buckets, durations.buckets, strict=True)]
        total_ms += durations.total_ms
    if not codes:
        return  # a series appears with its first request
    elsewhere = Counter({200: codes.total()})
    yield from _by_code("envoy_http_downstream_rq", {MANAGER: inbound}, codes, single=False)
    yield from _by_code("envoy_cluster_upstream_rq", {CLUSTER: inbound}, codes, single=True)
    yield from _by_code("envoy_cluster_upstream_rq", {CLUSTER: ELSEWHERE}, elsewhere, single=True)
    for name, labels in (("envoy_http_downstream", {MANAGER: inbound}), ("envoy_cluster_upstream", {CLUSTER: inbound})):
        yield from histogram(f"{name}_rq_time", written(labels), ledger.edges_ms, buckets, total_ms)
    yield from _grpc({CLUSTER: inbound}, statuses)


def _by_code(name: str, labels: Mapping[str, str], codes: Counter[int], *, single: bool) -> Iterator[str]:
    classes: Counter[int] = Counter()
    for code, count in codes.items():
        classes[code // 100] += count
    yield f"{name}_total{{{written(labels)}}} {codes.total()}"
    for digit, count in classes.items():
        yield f"{name}_xx{{{written({CLASS: str(digit), **labels})}}} {count}"
    for code, count in codes.items() if single else ():
        yield f"{name}{{{written({CODE: str(code), **labels})}}} {count}"


def _grpc(labels: Mapping[str, str], statuses: Counter[int]) -> Iterable[str]:
    """Envoy's gRPC filter, on ports of that protocol: each status has a name of its own."""
    succeeded = statuses[0]
    told = {"total": statuses.total(), "success": succeeded, "failure": statuses.total() - succeeded}
    counted = {name: count for name, count in told.items() if count} | {str(one): n for one, n in statuses.items() if n}
    return [f"envoy_cluster_grpc_{name}{{{written(labels)}}} {count}" for name, count in counted.items()]


def _target(pod: Identity) -> Mapping[str, str]:
    """Return the labels by kumactl's Prometheus (kuma_sd): those of the Dataplane, and its pod's."""
    primary = pod.workload.removesuffix("-primary")
    service = primary if pod.workload.endswith("-primary") else f"{pod.workload}-canary"
    tag = f"{service}_{pod.namespace}_svc_{pod.port}"
    return {
        "namespace": pod.namespace,
        "pod": pod.name,
        "mesh": "default",
        "dataplane": f"{pod.name}.{pod.namespace}",
        "k8s_kuma_io_name": pod.name,
        "k8s_kuma_io_namespace": pod.namespace,
        "kuma_io_protocol": "http",
        "kuma_io_service": tag,
        "kuma_io_services": f",{tag},",
        "app": pod.app,
    }


KUMA = Exporter(edges_ms=ENVOY_EDGES_MS, lines=_lines, target=_target)
"""Kuma with sidecars, scraped by kumactl's Prometheus."""
