"""Rows of the catalogue as what prometheus-client exports, and as text where it would take too long over it."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.utils import floatToGoString

from canary.telemetry.catalogue import Kind, Metric

Family = CounterMetricFamily | GaugeMetricFamily


def family(row: Metric) -> Family:
    """Return an empty family of a counter or gauge, to be filled at each scrape."""
    if row.kind is Kind.COUNTER:
        return CounterMetricFamily(row.name, row.doc, labels=row.labels)
    return GaugeMetricFamily(row.name, row.doc, labels=row.labels)


def counter(row: Metric, registry: CollectorRegistry) -> Counter:
    """Return a counter that is kept from now on."""
    return Counter(row.name, row.doc, row.labels, registry=registry)


def histogram(row: Metric, registry: CollectorRegistry) -> Histogram:
    """Return a histogram that is kept from now on, with the row's buckets."""
    return Histogram(row.name, row.doc, row.labels, registry=registry, buckets=row.buckets)


def head(row: Metric) -> str:
    """Return the lines that stand over the samples of a metric in the text format."""
    return f"# HELP {row.name} {row.doc}\n# TYPE {row.name} {row.kind.value}\n"


def lines(row: Metric, samples: Iterable[tuple[tuple[str, ...], float]]) -> str:
    """Return samples in the text format (https://prometheus.io/docs/instrumenting/exposition_formats), a line each.

    A sample is the values of the row's labels, and its value.
    """
    return "".join(
        f"{row.name}{{{','.join(map(_label, row.labels, labels))}}} {floatToGoString(value)}\n"
        for labels, value in samples
    )


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return f'{name}="{escaped}"'
