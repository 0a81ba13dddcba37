"""PromQL functions over range vectors.

Meaning: https://prometheus.io/docs/prometheus/latest/querying/functions/. How `rate`, `increase` and `delta`
extrapolate to the edges of their range is not in the documentation; it follows what Prometheus 2.42 and 3 compute.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from itertools import pairwise

from canary.sandbox.promql_values import Matrix, Pairs, Run, Sample, Vector, nameless


class Edition(StrEnum):
    """Whose arithmetic.

    Prometheus 2 counts a sample at the very start of a range or of the lookback as inside, 3 as outside; and 2.42
    (until 2.50) lets a counter's extrapolation reach further towards its zero point.
    """

    V2 = "2"
    V3 = "3"


Reduce = Callable[[Pairs], float | None]


def over_range(name: str, matrix: Matrix, edition: Edition) -> Vector | None:
    """Return the function's value for each series, without those that have too few samples; None if it is not known.

    Metric names are dropped, except by `last_over_time`.
    """
    if name in ("rate", "increase", "delta"):
        reduce: Reduce = partial(_extrapolated, name=name, matrix=matrix, edition=edition)
    elif name in _REDUCTIONS:
        reduce = _REDUCTIONS[name]
    else:
        return None
    return Vector([sample for run in matrix.runs if (sample := _reduced(name, run, reduce)) is not None])


def _reduced(name: str, run: Run, reduce: Reduce) -> Sample | None:
    value = reduce(run.pairs)
    if value is None:
        return None
    return Sample(run.labels if name == "last_over_time" else nameless(run.labels), value)


def _extrapolated(pairs: Pairs, *, name: str, matrix: Matrix, edition: Edition) -> float | None:
    """Return the growth over the whole range, assuming that it went on to the edges as it did between the samples.

    Towards an edge that is further than 1.1 times the mean distance of samples, only half that distance is assumed.
    A counter is not assumed to have been below 0.
    """
    if len(pairs) < 2:
        return None
    (first_at, first), (last_at, last) = pairs[0], pairs[-1]
    counter = name != "delta"
    growth = last - first
    if counter:
        growth += sum(before for (_, before), (_, after) in pairwise(pairs) if after < before)
    sampled = (last_at - first_at) / 1000
    apart = sampled / (len(pairs) - 1)
    to_start = (first_at - matrix.start) / 1000
    to_zero = sampled * (first / growth) if counter and growth > 0 and first >= 0 else math.inf
    if edition is Edition.V2:
        covered = sampled + _reach(min(to_start, to_zero), apart)
    else:
        covered = sampled + min(_reach(to_start, apart), to_zero)
    covered += _reach((matrix.end - last_at) / 1000, apart)
    factor = covered / sampled
    return growth * (factor / ((matrix.end - matrix.start) / 1000) if name == "rate" else factor)


def _reach(distance: float, apart: float) -> float:
    return distance if distance < apart * 1.1 else apart / 2


def _irate(pairs: Pairs) -> float | None:
    if len(pairs) < 2:
        return None
    (before_at, before), (at, value) = pairs[-2:]
    return (value - before if value >= before else value) / ((at - before_at) / 1000)


def _idelta(pairs: Pairs) -> float | None:
    return pairs[-1][1] - pairs[-2][1] if len(pairs) > 1 else None


def _extreme(pairs: Pairs, *, better: Callable[[float, float], bool]) -> float:
    """Return the best value; NaN gives way to every number."""
    best = pairs[0][1]
    for _, value in pairs:
        if better(value, best) or math.isnan(best):
            best = value
    return best


def _changes(pairs: Pairs) -> float:
    steps = pairwise(value for _, value in pairs)
    return float(sum(before != after and not (math.isnan(before) and math.isnan(after)) for before, after in steps))


_REDUCTIONS: dict[str, Reduce] = {
    "irate": _irate,
    "idelta": _idelta,
    "changes": _changes,
    "resets": lambda pairs: float(sum(after < before for (_, before), (_, after) in pairwise(pairs))),
    "last_over_time": lambda pairs: pairs[-1][1],
    "count_over_time": lambda pairs: float(len(pairs)),
    "present_over_time": lambda _: 1.0,
    "sum_over_time": lambda pairs: sum(value for _, value in pairs),
    "avg_over_time": lambda pairs: sum(value for _, value in pairs) / len(pairs),
    "max_over_time": partial(_extreme, better=lambda value, best: value > best),
    "min_over_time": partial(_extreme, better=lambda value, best: value < best),
}
