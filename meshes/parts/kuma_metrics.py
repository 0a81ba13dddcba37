"""Envoy's own metrics as Kuma's sidecars export them: whose requests they count, and which of those count as failed.

Selected by the labels `namespace` and `pod` of the scraped target, which kumactl's Prometheus and any Prometheus with
pod discovery set. Counted where the pod's sidecar takes requests in (the inbound listener): its other clusters count
what the pod itself asks of others, and the inbound cluster counts probes too. The windows and the arithmetic over them
belong to the controller.
"""

from __future__ import annotations

from typing import assert_never

from meshes.contract import AppProtocol, Counters, Histogram, Workload
from meshes.parts.promql import one_of, quoted

EDGES = (
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
)  # fmt: skip
"""Envoy's own bucket edges in milliseconds."""

GRPC_FAULTS = (2, 4, 12, 13, 14, 15)
"""Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss: the server's faults."""

ANY_INBOUND = "localhost_.*|self_inbound_dp_.*"


def counters(workload: Workload) -> Counters:
    """Return all answered requests and those that failed: HTTP 5xx, with gRPC also the server faults.

    Envoy's gRPC filter counts each status under a name of its own, by cluster. An answer that has an HTTP error has no
    gRPC status, so none is counted twice. A series appears with the first answer of its kind.

    The total of gRPC is that filter's own and those errors. Kuma's default profile of MeshMetric (Basic) exports no
    statuses, and on a port of another protocol than grpc there is no filter: by the total of HTTP every fault would
    pass for a success there, while without a total there is no data, or there are the errors of HTTP alone.
    """
    answered = f"envoy_http_downstream_rq_xx{{{_of(workload)},{_inbound(workload, 'envoy_http_conn_manager_prefix')}"
    failed = f'{answered},envoy_response_code_class="5"}}'
    match workload.protocol:
        case AppProtocol.HTTP:
            return Counters(total=f"{answered}}}", bad=failed)
        case AppProtocol.GRPC:
            labels = f"{_of(workload)},{_inbound(workload, 'envoy_cluster_name')}"
            faults = tuple(f"envoy_cluster_grpc_{status}{{{labels}}}" for status in GRPC_FAULTS)
            total = f"envoy_cluster_grpc_total{{{labels}}}"
            return Counters(total=total, also_total=(failed,), bad=failed, also_bad=faults)
        case _:
            assert_never(workload.protocol)


def durations(workload: Workload) -> Histogram:
    """Return the durations of all requests to the workload, failed ones too, in milliseconds."""
    labels = f"{_of(workload)},{_inbound(workload, 'envoy_http_conn_manager_prefix')}"
    return Histogram(bucket=f"envoy_http_downstream_rq_time_bucket{{{labels}}}", unit_ms=1, edges=EDGES)


def _of(workload: Workload) -> str:
    return f"namespace={quoted(workload.namespace)},pod=~{quoted(workload.pods)}"


def _inbound(workload: Workload, label: str) -> str:
    """Return the matcher of the listener that takes the Service's requests in, of every one where it is not known.

    It is named by the port of the pod, or, with Kuma's unified naming, by the Service's port.
    """
    if workload.pod_port is None:
        return f"{label}=~{quoted(ANY_INBOUND)}"
    named = {str(workload.port), str(workload.pod_port)} | ({workload.port_name} if workload.port_name else set())
    return one_of(label, [f"localhost_{workload.pod_port}", *(f"self_inbound_dp_{name}" for name in named)])
