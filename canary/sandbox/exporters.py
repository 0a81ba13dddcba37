"""What a pod's sidecar tells Prometheus: each mesh's metric names, labels and buckets, made from what a pod answered.

The real sidecars are not run; the pod counts for them, at the server side, as the adapters' queries expect it. Each
mesh has a module of its own; here is their table.
"""

from __future__ import annotations

from collections.abc import Mapping

from canary.errors import ConfigError
from canary.sandbox.exporter import Exporter
from canary.sandbox.exporter_istio import ISTIO
from canary.sandbox.exporter_kuma import KUMA
from canary.sandbox.exporter_linkerd import LINKERD

EXPORTERS: Mapping[str, Exporter] = {
    "gateway-api": ISTIO,
    "istio": ISTIO,
    "kuma": KUMA,
    "linkerd": LINKERD,
}
"""The exporters by mesh; a new mesh is one more entry. The mesh behind the Gateway API is Istio here."""


def exporter(mesh: str) -> Exporter:
    """Return the mesh's exporter, or raise `ConfigError` that names those that there are."""
    if mesh not in EXPORTERS:
        raise ConfigError(f"the sandbox has no metrics of mesh {mesh!r}; it has {', '.join(sorted(EXPORTERS))}")
    return EXPORTERS[mesh]
