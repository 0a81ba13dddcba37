"""Linkerd's proxy metrics as PromQL: whose requests they count, and which of those count as failed.

Names and labels: https://linkerd.io/2/reference/proxy-metrics/. The inbound metrics are used, as the canary's own
proxy counts each attempt; the windows and the arithmetic over them belong to the controller.
"""

from __future__ import annotations

from meshes.contract import Counters, Histogram, Workload
from meshes.parts.promql import quoted

EDGES = tuple(float(digit * 10**power) for power in range(5) for digit in (1, 2, 3, 4, 5))
"""Bucket edges in milliseconds: 1, 2, 3, 4, 5, 10, 20, ... 50000 (linkerd2-proxy, `latency::BOUNDS`)."""


def counters(workload: Workload) -> Counters:
    """Return all answers of the workload and those that failed, HTTP and gRPC alike.

    The proxy itself classifies: 5xx fails, and of gRPC's statuses 2, 4, 7, 13, 14 and 15.
    """
    labels = _labels(workload)
    return Counters(total=f"response_total{{{labels}}}", bad=f'response_total{{{labels},classification="failure"}}')


def durations(workload: Workload) -> Histogram:
    """Return the times to the first byte of all answers of the workload, in milliseconds."""
    return Histogram(bucket=f"response_latency_ms_bucket{{{_labels(workload)}}}", unit_ms=1, edges=EDGES)


def _labels(workload: Workload) -> str:
    """Return the matchers that pick the workload's answers to requests of clients.

    Namespace and deployment are added by Prometheus, as Linkerd's own configuration of it does. The kubelet's HTTP
    probes come through the proxy and are counted as the route `probe`: with them an idle canary would look healthy.
    """
    matchers = (
        f"namespace={quoted(workload.namespace)}",
        f"deployment={quoted(workload.deployment)}",
        'direction="inbound"',
        'route_name!="probe"',
    )
    return ",".join(matchers)
