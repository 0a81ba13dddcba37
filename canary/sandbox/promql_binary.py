"""PromQL operators between two values: arithmetic, comparison, sets, and which samples meet which.

Meaning: https://prometheus.io/docs/prometheus/latest/querying/operators/.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from canary.sandbox.promql_values import NAME, Matched, QueryError, Sample, Vector, distinct, nameless


class Grouping(StrEnum):
    """Which side may have many samples for one of the other."""

    NONE = "one-to-one"
    LEFT = "group_left"
    RIGHT = "group_right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Which labels must be equal: only `labels` (`on`), or all but `labels` and the name. `include` are the labels that
    the many take from the one."""

    on: bool = False
    labels: Sequence[str] = ()
    grouping: Grouping = Grouping.NONE
    include: Sequence[str] = ()

    def key(self, labels: Mapping[str, str]) -> Matched:
        """Return what must be equal on both sides."""
        if self.on:
            return tuple(labels.get(name, "") for name in self.labels)
        left_out = (NAME, *self.labels)
        return frozenset(item for item in labels.items() if item[0] not in left_out)


def _divided(left: float, right: float) -> float:
    if right != 0:
        return left / right
    return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)


def _modulo(left: float, right: float) -> float:
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:
        if left != 0:
            return math.nan
        return math.copysign(math.inf, left) if right % 2 == 1 else math.inf


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "%": _modulo,
    "^": _power,
}
COMPARISON: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An arithmetic or comparison operator; `gives_bool` makes a comparison answer 0 or 1 instead of filtering."""

    symbol: str
    gives_bool: bool = False

    @property
    def renames(self) -> bool:
        """Whether the result is something else than what the metric's name says."""
        return self.symbol in ARITHMETIC or self.gives_bool

    def of(self, left: float, right: float, kept: float) -> float | None:
        """Return the result, None when a comparison filters it out; `kept` is what a filter lets through."""
        if self.symbol in ARITHMETIC:
            return ARITHMETIC[self.symbol](left, right)
        holds = COMPARISON[self.symbol](left, right)
        if self.gives_bool:
            return float(holds)
        return kept if holds else None


def combine(operation: Operation, left: float | Vector, right: float | Vector, matching: Matching) -> float | Vector:
    """Return the operator's result. Raises `QueryError` when a sample meets more than the matching allows."""
    match left, right:
        case Vector(), Vector():
            return distinct(_matched(operation, left, right, matching))
        case Vector(), float():
            return distinct(_each(operation, left, lambda value: operation.of(value, right, value)))
        case float(), Vector():
            return distinct(_each(operation, right, lambda value: operation.of(left, value, value)))
        case float(), float():
            result = operation.of(left, right, left)
            return math.nan if result is None else result
        case _:
            raise AssertionError(f"not scalars or instant vectors: {left!r}, {right!r}")


def _each(operation: Operation, vector: Vector, result: Callable[[float], float | None]) -> Vector:
    samples = []
    for sample in vector.samples:
        value = result(sample.value)
        if value is not None:
            samples.append(Sample(nameless(sample.labels) if operation.renames else sample.labels, value))
    return Vector(samples)


def _matched(operation: Operation, left: Vector, right: Vector, matching: Matching) -> Vector:
    many, one = (right, left) if matching.grouping is Grouping.RIGHT else (left, right)
    if not many.samples or not one.samples:
        return Vector(())
    partners = _partners(one, matching)
    met: set[object] = set()
    samples = []
    for sample in many.samples:
        key = matching.key(sample.labels)
        partner = partners.get(key)
        if partner is None:
            continue
        labels = _result_labels(operation, sample, partner, matching)
        _meet_once(met, key, labels, matching)
        swapped = matching.grouping is Grouping.RIGHT
        a, b = (partner.value, sample.value) if swapped else (sample.value, partner.value)
        value = operation.of(a, b, a)
        if value is not None:
            samples.append(Sample(labels, value))
    return Vector(samples)


def _partners(one: Vector, matching: Matching) -> dict[Matched, Sample]:
    found: dict[Matched, Sample] = {}
    for sample in one.samples:
        key = matching.key(sample.labels)
        if key in found:
            side = "left" if matching.grouping is Grouping.RIGHT else "right"
            raise QueryError(
                f"found duplicate series for the match group {key} on the {side} hand-side of the operation;"
                " many-to-many matching not allowed: matching labels must be unique on one side",
                kind="execution",
            )
        found[key] = sample
    return found


def _meet_once(met: set[object], key: Matched, labels: Mapping[str, str], matching: Matching) -> None:
    if matching.grouping is Grouping.NONE:
        mark: object = key
        advice = "many-to-one matching must be explicit (group_left/group_right)"
    else:
        mark = (key, frozenset(labels.items()))
        advice = "grouping labels must ensure unique matches"
    if mark in met:
        raise QueryError(f"multiple matches for labels: {advice}", kind="execution")
    met.add(mark)


def _result_labels(operation: Operation, sample: Sample, partner: Sample, matching: Matching) -> dict[str, str]:
    labels = nameless(sample.labels) if operation.renames else dict(sample.labels)
    if matching.grouping is Grouping.NONE:
        return {name: value for name, value in labels.items() if (name in matching.labels) == matching.on}
    for name in matching.include:
        labels.pop(name, None)
        if partner.labels.get(name):
            labels[name] = partner.labels[name]
    return labels


def sets(symbol: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Return `left and right`, `left or right` or `left unless right`; the samples keep their labels and values."""
    there = {matching.key(sample.labels) for sample in right.samples}
    match symbol:
        case "and":
            return Vector([sample for sample in left.samples if matching.key(sample.labels) in there])
        case "unless":
            return Vector([sample for sample in left.samples if matching.key(sample.labels) not in there])
        case "or":
            here = {matching.key(sample.labels) for sample in left.samples}
            more = [sample for sample in right.samples if matching.key(sample.labels) not in here]
            return Vector([*left.samples, *more])
        case _:
            raise QueryError(f"the operator {symbol!r} is not known to the sandbox's PromQL")
