"""What a pod's sidecar tells Prometheus: each mesh's metric names, labels and buckets, made from what a pod answered.

The real sidecars are not run; the pod counts for them, at the server side, as the adapters' queries expect it.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from canary.errors import ConfigError
from canary.sandbox.identity import Identity

HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(slots=True)
class Durations:
    """The durations of one kind of answer in milliseconds: how many in each bucket (not cumulative), and their sum."""

    buckets: list[int]
    total_ms: float = 0.0


@dataclass(slots=True)
class Ledger:
    """What one pod answered, by (host that was asked for, status code). A pair appears with its first answer."""

    edges_ms: tuple[float, ...]
    answers: dict[tuple[str, int], Durations] = field(default_factory=dict)

    def add(self, host: str, code: int, duration_ms: float) -> None:
        """Count one answer."""
        durations = self.answers.get((host, code))
        if durations is None:
            durations = self.answers[host, code] = Durations([0] * (len(self.edges_ms) + 1))
        durations.buckets[bisect.bisect_left(self.edges_ms, duration_ms)] += 1
        durations.total_ms += duration_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """One mesh's way to tell it: its histogram's edges in milliseconds, and the Prometheus text of a ledger."""

    edges_ms: tuple[float, ...]
    lines: Callable[[Identity, Ledger], Iterator[str]]


def exporter(mesh: str) -> Exporter:
    """Return the mesh's exporter, or raise `ConfigError` that names those that there are."""
    if mesh not in EXPORTERS:
        raise ConfigError(f"the sandbox has no metrics of mesh {mesh!r}; it has {', '.join(sorted(EXPORTERS))}")
    return EXPORTERS[mesh]


def service_of(host: str, namespace: str) -> tuple[str, str]:
    """Return (name, namespace) of the Service that a Host header means to a pod of `namespace`."""
    bare, _, _ = host.lower().partition(":")
    if not HOST.fullmatch(bare):
        return "unknown", "unknown"
    name, _, rest = bare.partition(".")
    return name, rest.partition(".")[0] or namespace


def _istio(pod: Identity, ledger: Ledger) -> Iterator[str]:
    """Istio's standard metrics as a sidecar reports them (reporter="destination"), MESHES section 1.4."""
    yield "# TYPE istio_requests_total counter"
    for (host, code), durations in ledger.answers.items():
        yield f"istio_requests_total{{{_istio_labels(pod, host, code)}}} {sum(durations.buckets)}"
    yield "# TYPE istio_request_duration_milliseconds histogram"
    for (host, code), durations in ledger.answers.items():
        yield from _histogram(
            "istio_request_duration_milliseconds", _istio_labels(pod, host, code), ledger.edges_ms, durations
        )


def _istio_labels(pod: Identity, host: str, code: int) -> str:
    service, service_namespace = service_of(host, pod.namespace)
    return _labels(
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
            "request_protocol": "http",
            "response_code": str(code),
            "grpc_response_status": "",
            "response_flags": "-",
        }
    )


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _histogram(name: str, labels: str, edges: tuple[float, ...], durations: Durations) -> Iterator[str]:
    counts = list(itertools.accumulate(durations.buckets))
    for edge, count in zip(edges, counts, strict=False):
        yield f'{name}_bucket{{{labels},le="{edge:.12g}"}} {count}'
    yield f'{name}_bucket{{{labels},le="+Inf"}} {counts[-1]}'
    yield f"{name}_sum{{{labels}}} {durations.total_ms:.12g}"
    yield f"{name}_count{{{labels}}} {counts[-1]}"


ISTIO_EDGES_MS = (
    *(0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3),
    *(5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6),
)
"""The buckets of Istio's Envoy (`le` of istio_request_duration_milliseconds)."""

EXPORTERS: Mapping[str, Exporter] = {"istio": Exporter(edges_ms=ISTIO_EDGES_MS, lines=_istio)}
"""The exporters by mesh; a new mesh is one more entry."""
