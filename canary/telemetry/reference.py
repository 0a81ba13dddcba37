"""Prints docs/metrics.md from the catalogue: `python -m canary.telemetry.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from canary.telemetry.catalogue import METRICS, Metric, Scope

_INTRODUCTION = """\
# Metrics

<!-- Made by `make docs` from canary/telemetry/catalogue.py; changes by hand are lost. -->

The controller exports its own metrics at `/metrics` of `--metrics-port`, in the text format of Prometheus, beside the
`process_*` metrics that every client library has. `manifests/monitoring` scrapes them and brings alerts,
`manifests/grafana` a dashboard.

Series with the labels `namespace` and `canary` come from the replica that leads, and go when the canary goes or the
lease is lost; counters begin at 0 with each leader. `namespace` is the canary's: scrape with `honorLabels: true`, as
`manifests/monitoring` does, or Prometheus renames it to `exported_namespace`.
"""


def reference() -> str:
    """Return the page as Markdown; the same text each time."""
    return "\n".join([_INTRODUCTION, *(line for scope in Scope for line in _section(scope))])


def _section(scope: Scope) -> Iterator[str]:
    yield f"## {scope.value}\n"
    yield "| metric | type | labels | meaning |"
    yield "|---|---|---|---|"
    yield from (_row(metric) for metric in METRICS if metric.scope is scope)
    yield ""


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
    return f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.doc} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
