"""What an exporter of the sandbox is: one mesh's way to tell Prometheus what a pod answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from canary.sandbox.identity import Identity
from canary.sandbox.ledger import Ledger

HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def found_by(pod: Identity) -> Mapping[str, str]:
    """Return the labels that any Prometheus with pod discovery adds to what a pod exports."""
    return {"namespace": pod.namespace, "pod": pod.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """One mesh's metrics: its histogram's edges in milliseconds, and the Prometheus text of a ledger.

    `target` gives the labels that this mesh's Prometheus adds by its own relabelling.
    """

    edges_ms: tuple[float, ...]
    lines: Callable[[Identity, Ledger], Iterator[str]]
    target: Callable[[Identity], Mapping[str, str]] = found_by


def service_of(host: str, namespace: str) -> tuple[str, str]:
    """Return (name, namespace) of the Service that a Host header means to a pod of `namespace`."""
    bare, _, _ = host.lower().partition(":")
    if not HOST.fullmatch(bare):
        return "unknown", "unknown"
    name, _, rest = bare.partition(".")
    return name, rest.partition(".")[0] or namespace
