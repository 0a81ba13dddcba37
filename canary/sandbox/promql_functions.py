"""PromQL functions over instant vectors and scalars, and aggregations.

Meaning: https://prometheus.io/docs/prometheus/latest/querying/functions/ and .../operators/#aggregation-operators.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

from canary.sandbox.promql_values import NAME, Matched, QueryError, Sample, Value, Vector, nameless
from canary.sandbox.tsdb import regex

SMALL_DIFFERENCE = 1e-12
"""Buckets that differ by less than this part are taken for equal: sums of rates are not exact."""


def simple(name: str, args: Sequence[Value]) -> Vector | None:
    """Return the value of a function that looks at each sample by itself; None if it is not known."""
    if name not in _SIMPLE:
        return None
    vector, *numbers = args
    if not isinstance(vector, Vector) or not all(isinstance(number, float) for number in numbers):
        raise QueryError(f"{name}() cannot be used with these arguments")
    function = _SIMPLE[name]
    return Vector([Sample(nameless(sample.labels), function(sample.value, *numbers)) for sample in vector.samples])


def _whole(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda value: float(function(value)) if math.isfinite(value) else value


def _round(value: float, to: float = 1.0) -> float:
    if not math.isfinite(value) or to == 0:
        return math.nan if to == 0 else value
    inverse = 1 / to
    return math.floor(value * inverse + 0.5) / inverse


def _clamp_min(value: float, least: float) -> float:
    return math.nan if math.isnan(value) or math.isnan(least) else max(value, least)


def _clamp_max(value: float, most: float) -> float:
    return math.nan if math.isnan(value) or math.isnan(most) else min(value, most)


_SIMPLE: dict[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": _whole(math.ceil),
    "floor": _whole(math.floor),
    "round": _round,
    "clamp_min": _clamp_min,
    "clamp_max": _clamp_max,
}


def label_replace(vector: Vector, target: str, template: str, source: str, pattern: str) -> Vector:
    """Set `target` to the expanded template on samples whose `source` matches the whole pattern; "" removes it."""
    if not re.fullmatch(r"[a-zA-Z_]\w*", target, re.ASCII):
        raise QueryError(f"invalid destination label name in label_replace(): {target}", kind="execution")
    compiled = regex(pattern)
    samples = []
    for sample in vector.samples:
        found = compiled.fullmatch(sample.labels.get(source, ""))
        if found is None:
            samples.append(sample)
            continue
        labels = {name: value for name, value in sample.labels.items() if name != target}
        if value := _expanded(template, found):
            labels[target] = value
        samples.append(Sample(labels, sample.value))
    return Vector(samples)


def _expanded(template: str, found: re.Match[str]) -> str:
    """Expand $1, ${1}, $name, ${name} and $$ as Go's regexp does; a group that is not there is empty."""

    def group(reference: re.Match[str]) -> str:
        if reference[0] == "$$":
            return "$"
        name = reference[1] or reference[2]
        if name.isdecimal():
            return (found[int(name)] or "") if int(name) <= (found.re.groups) else ""
        return (found[name] or "") if name in found.re.groupindex else ""

    return re.sub(r"\$\$|\$\{(\w+)\}|\$(\w+)", group, template, flags=re.ASCII)


def histogram_quantile(quantile: float, vector: Vector) -> Vector:
    """Return the quantile of each classic histogram: series that are equal but for `le`, which is dropped."""
    histograms: dict[Matched, tuple[dict[str, str], list[tuple[float, float]]]] = {}
    for sample in vector.samples:
        try:
            edge = float(sample.labels.get("le", ""))
        except ValueError:
            continue
        labels = {name: value for name, value in sample.labels.items() if name not in (NAME, "le")}
        histograms.setdefault(frozenset(labels.items()), (labels, []))[1].append((edge, sample.value))
    return Vector([Sample(labels, _quantile(quantile, buckets)) for labels, buckets in histograms.values()])


def _quantile(quantile: float, found: list[tuple[float, float]]) -> float:
    if not 0 <= quantile <= 1:
        return math.nan if math.isnan(quantile) else math.copysign(math.inf, quantile)
    buckets = _monotonic(found)
    edges, counts = [edge for edge, _ in buckets], [count for _, count in buckets]
    if edges[-1] != math.inf or len(edges) < 2 or counts[-1] == 0 or math.isnan(counts[-1]):
        return math.nan
    rank = quantile * counts[-1]
    place = next((place for place, count in enumerate(counts[:-1]) if count >= rank), len(edges) - 1)
    if place == len(edges) - 1:
        return edges[-2]
    if place == 0 and edges[0] <= 0:
        return edges[0]
    below, floor = (edges[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    inside = counts[place] - floor
    return below + (edges[place] - below) * ((rank - floor) / inside) if inside else math.nan


def _monotonic(found: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the buckets in order, those of one edge added up, and none lower than the one before."""
    merged: dict[float, float] = {}
    for edge, count in sorted(found):
        merged[edge] = merged.get(edge, 0.0) + count
    buckets: list[tuple[float, float]] = []
    for edge, count in merged.items():
        before = buckets[-1][1] if buckets else count
        slight = abs(count - before) < SMALL_DIFFERENCE * (abs(count) + abs(before))
        buckets.append((edge, before if slight or count < before else count))
    return buckets


def aggregate(name: str, vector: Vector, labels: Sequence[str], *, by: bool) -> Vector | None:
    """Aggregate over the groups that `by (labels)`, or else `without (labels)`, makes; None if it is not known."""
    if name not in _AGGREGATES:
        return None
    groups: dict[frozenset[tuple[str, str]], list[float]] = {}
    for sample in vector.samples:
        groups.setdefault(frozenset(_group(sample.labels, labels, by=by)), []).append(sample.value)
    return Vector([Sample(dict(group), _AGGREGATES[name](values)) for group, values in groups.items()])


def _group(labels: Mapping[str, str], chosen: Sequence[str], *, by: bool) -> list[tuple[str, str]]:
    if by:
        return [(name, labels[name]) for name in chosen if name in labels]
    return [item for item in labels.items() if item[0] != NAME and item[0] not in chosen]


def _best(better: Callable[[float, float], bool]) -> Callable[[list[float]], float]:
    def best(values: list[float]) -> float:
        found = values[0]
        for value in values:
            if better(value, found) or math.isnan(found):
                found = value
        return found

    return best


_AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "avg": lambda values: sum(values) / len(values),
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
    "max": _best(lambda value, found: value > found),
    "min": _best(lambda value, found: value < found),
}
