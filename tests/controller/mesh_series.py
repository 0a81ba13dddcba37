"""Series as the proxies of each mesh export them, for tests that need no data plane: one application's pods at a time.

Not its job: what the sandbox's exporters are for, whole expositions of what was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meshes.contract import AppProtocol
from tests.controller.promql_metrics import PromQL

GRPC_UNAVAILABLE, GRPC_INTERNAL, GRPC_NOT_FOUND = 14, 13, 5
EDGES = ("100", "250", "+Inf")
RESET = -1
"""In the place of a number of requests: the pod's proxy starts anew and has counted nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod and what it answered: requests since the scrape before, for each scrape from `first` on.

    `good`, `faults` and `errors` are answers that succeeded, that failed as the server's fault, and (HTTP 5xx of a
    proxy, also with gRPC) for want of an answer; a kind that never came has no series. `slow` of the good ones take
    longer than the first edge. `listener` is the port or name by which Envoy calls the listener.
    """

    namespace: str
    workload: str
    name: str
    protocol: AppProtocol
    listener: str
    first: int
    good: tuple[int, ...]
    faults: tuple[int, ...]
    errors: tuple[int, ...]
    slow: tuple[int, ...]

    @property
    def grpc(self) -> bool:
        return self.protocol is AppProtocol.GRPC


Labels = Mapping[str, str]


def _counted(metrics: PromQL, pod: Pod, name: str, labels: Labels, requests: Sequence[int]) -> None:
    """Store a counter from its first request on; with none there is no series."""
    born = next((place for place, number in enumerate(requests) if number > 0), None)
    if born is None:
        return
    total, values = 0.0, []
    for number in requests[born:]:
        total = 0.0 if number == RESET else total + number
        values.append(total)
    metrics.samples(name, dict(labels), pod.first + born, values)


def _buckets(metrics: PromQL, pod: Pod, name: str, labels: Labels) -> None:
    for edge in EDGES:
        inside = [
            RESET if RESET in (good, slow) else good + (slow if edge != EDGES[0] else 0)
            for good, slow in zip(pod.good, pod.slow, strict=True)
        ]
        _counted(metrics, pod, name, {**labels, "le": edge}, inside)


def istio(metrics: PromQL, pod: Pod) -> None:
    """Istio's sidecar, and the client's report of the same requests."""
    labels = {
        "destination_workload_namespace": pod.namespace,
        "destination_workload": pod.workload,
        "request_protocol": "grpc" if pod.grpc else "http",
        "pod": pod.name,
    }
    for reporter in ("destination", "source"):
        seen = {**labels, "reporter": reporter}
        status = ("0", str(GRPC_UNAVAILABLE), str(GRPC_INTERNAL)) if pod.grpc else ("", "", "")
        codes = ("200", "200" if pod.grpc else "500", "503")
        kinds = (pod.good, pod.faults, pod.errors)
        for code, grpc, requests in zip(codes, status, kinds, strict=True):
            told = {**seen, "response_code": code, "grpc_response_status": grpc}
            _counted(metrics, pod, "istio_requests_total", told, requests)
        _buckets(metrics, pod, "istio_request_duration_milliseconds_bucket", seen)


def linkerd(metrics: PromQL, pod: Pod) -> None:
    """Linkerd's proxy: what came in, the kubelet's probes among it, and what the pod itself asked of others."""
    labels = {"namespace": pod.namespace, "deployment": pod.workload, "pod": pod.name}
    for direction, route in (("inbound", "default"), ("inbound", "probe"), ("outbound", "default")):
        seen = {**labels, "direction": direction, "route_name": route}
        for classification, requests in (("success", pod.good), ("failure", pod.faults)):
            _counted(metrics, pod, "response_total", {**seen, "classification": classification}, requests)
        _buckets(metrics, pod, "response_latency_ms_bucket", seen)


def kuma(metrics: PromQL, pod: Pod) -> None:
    """Kuma's sidecar, with what the pod itself asked of others under another cluster."""
    labels = {"namespace": pod.namespace, "pod": pod.name}
    for inbound in (pod.listener, "ledger_shop_svc_9000"):
        manager = {**labels, "envoy_http_conn_manager_prefix": inbound}
        ok = pod.good if not pod.grpc else tuple(map(_either, pod.good, pod.faults))
        failed = pod.errors if pod.grpc else tuple(map(_either, pod.errors, pod.faults))
        for digit, requests in (("2", ok), ("5", failed)):
            told = {**manager, "envoy_response_code_class": digit}
            _counted(metrics, pod, "envoy_http_downstream_rq_xx", told, requests)
        _buckets(metrics, pod, "envoy_http_downstream_rq_time_bucket", manager)
        statuses = (
            (0, pod.good),
            (GRPC_UNAVAILABLE, pod.faults),
            (GRPC_INTERNAL, pod.slow),
            (GRPC_NOT_FOUND, pod.good),
            ("total", tuple(map(_either, pod.good, pod.faults))),
        )
        for status, requests in statuses if pod.grpc else ():
            _counted(metrics, pod, f"envoy_cluster_grpc_{status}", {**labels, "envoy_cluster_name": inbound}, requests)


def _either(one: int, other: int) -> int:
    return RESET if RESET in (one, other) else one + other


EXPORTED: Sequence[Callable[[PromQL, Pod], None]] = (istio, linkerd, kuma)
