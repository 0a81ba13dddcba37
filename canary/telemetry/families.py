"""Rows of the catalogue as what prometheus-client exports."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

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
