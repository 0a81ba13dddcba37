"""Istio's standard metrics as PromQL: whose requests they count, and which of those count as failed.

Names and labels: https://istio.io/latest/docs/reference/config/metrics/. The windows and the arithmetic over them
belong to the controller.
"""

from __future__ import annotations

from typing import assert_never

from meshes.contract import AppProtocol, Counters, Histogram, Workload
from meshes.parts.promql import quoted

# Envoy's own bucket edges, which Istio keeps unless the annotation `sidecar.istio.io/statsHistogramBuckets` says else.
EDGES = (
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
)  # fmt: skip

# Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss: the server's faults, not the caller's.
# Envoy derives a status from the HTTP code where the answer has none, so a 5xx to a gRPC request is among them too
# (istio/proxy, istio_stats.cc: Grpc::Common::getGrpcStatus with the stream info).
_GRPC_FAULTS = "2|4|12|13|14|15"


def counters(workload: Workload) -> Counters:
    """Return all requests to the workload and those that failed: HTTP 5xx, or the server faults of gRPC."""
    labels = _labels(workload)
    match workload.protocol:
        case AppProtocol.HTTP:
            failed = 'response_code=~"5.."'
        case AppProtocol.GRPC:
            failed = f'grpc_response_status=~"{_GRPC_FAULTS}"'
        case _:
            assert_never(workload.protocol)
    return Counters(total=f"istio_requests_total{{{labels}}}", bad=f"istio_requests_total{{{labels},{failed}}}")


def durations(workload: Workload) -> Histogram:
    """Return the durations of all requests to the workload, failed ones too, in milliseconds."""
    bucket = f"istio_request_duration_milliseconds_bucket{{{_labels(workload)}}}"
    return Histogram(bucket=bucket, unit_ms=1, edges=EDGES)


def _labels(workload: Workload) -> str:
    """Return the matchers that pick the workload's requests as the server side saw them.

    Selected by workload: `destination_service_name` is ambiguous, since the apex and other Services may select the
    same pods. With sidecars the pod's own proxy reports (`destination`), in ambient mode only the waypoint does, so
    both are asked for; the client's report (`source`) of the same request is left out. A sidecar behind a waypoint
    is reported twice, failures and totals alike: shares stay right, counts double. No label of the second report
    tells the two apart.
    """
    matchers = [
        'reporter=~"destination|waypoint"',
        f"destination_workload_namespace={quoted(workload.namespace)}",
        f"destination_workload={quoted(workload.deployment)}",
    ]
    if workload.protocol is AppProtocol.GRPC:
        # Only gRPC requests carry a gRPC status: others would be in the total and could never fail.
        matchers.append('request_protocol="grpc"')
    return ",".join(matchers)
