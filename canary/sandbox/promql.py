"""Instant queries over the samples in memory, in the subset of PromQL that adapters and users' checks need.

The parser is a real one (`promql-parser`). What is not implemented here is refused by name: a query never gets a wrong
value. Left out: subqueries, topk and its like, native histograms, functions that are not in the tables.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import promql_parser as parser

from canary.sandbox.promql_binary import ARITHMETIC, COMPARISON, Grouping, Matching, Operation, combine, sets
from canary.sandbox.promql_functions import aggregate, histogram_quantile, label_replace, simple
from canary.sandbox.promql_range import Edition, over_range
from canary.sandbox.promql_values import (
    NAME,
    Matrix,
    QueryError,
    Run,
    Sample,
    Value,
    Vector,
    distinct,
    nameless,
)
from canary.sandbox.tsdb import Matcher, MatchKind, Store

LOOKBACK = timedelta(minutes=5)

# The parser's operators have no hash, so this is no dictionary.
_KINDS = (
    (parser.MatchOp.Equal, MatchKind.EQUAL),
    (parser.MatchOp.NotEqual, MatchKind.NOT_EQUAL),
    (parser.MatchOp.Re, MatchKind.REGEX),
    (parser.MatchOp.NotRe, MatchKind.NOT_REGEX),
)


def evaluate(store: Store, promql: str, at: int, *, edition: Edition = Edition.V3) -> Value:
    """Return the query's value at a time (milliseconds since 1970). Raises `QueryError`."""
    return _Evaluation(store, at, edition).of(_parsed(promql))


@functools.lru_cache(maxsize=1024)
def _parsed(promql: str) -> parser.Expr:
    try:
        expr: parser.Expr = parser.parse(promql)
    except ValueError as err:
        raise QueryError(f'invalid parameter "query": parse error: {err}') from err
    return expr


@dataclass(frozen=True, slots=True)
class _Evaluation:
    store: Store
    at: int
    edition: Edition

    def of(self, expr: Any) -> Value:
        match expr:
            case parser.ParenExpr():
                return self.of(expr.expr)
            case parser.NumberLiteral() | parser.StringLiteral():
                return expr.val
            case parser.VectorSelector():
                return Vector([Sample(labels, value) for labels, _, value in self.selected(expr)])
            case parser.MatrixSelector():
                return self.range_of(expr)
            case parser.UnaryExpr():
                return self.negated(expr)
            case parser.BinaryExpr():
                return self.binary(expr)
            case parser.AggregateExpr():
                return self.aggregated(expr)
            case parser.Call():
                return self.call(expr)
            case _:
                raise QueryError(f"the sandbox's PromQL does not know {type(expr).__name__}: {expr.prettify()}")

    def selected(self, selector: parser.VectorSelector) -> list[tuple[Any, int, float]]:
        """Return labels, time and value of the newest sample of each series that passes, unless it is stale."""
        end = self.end_of(selector)
        above = end - _ms(LOOKBACK) - self.closed()
        found = []
        for series in self.store.select(_matchers(selector)):
            if newest := series.last(above=above, until=end):
                found.append((series.labels, *newest))
        return found

    def range_of(self, expr: parser.MatrixSelector) -> Matrix:
        end = self.end_of(expr.vector_selector)
        start = end - _ms(expr.range)
        runs = []
        for series in self.store.select(_matchers(expr.vector_selector)):
            if pairs := series.between(above=start - self.closed(), until=end):
                runs.append(Run(series.labels, pairs))
        return Matrix(runs, start, end)

    def end_of(self, selector: parser.VectorSelector) -> int:
        pinned = selector.at.at if selector.at else None
        base = round(pinned.timestamp() * 1000) if pinned else self.at
        return base - (_ms(selector.offset) if selector.offset else 0)

    def closed(self) -> int:
        """Return 1 (millisecond) when a sample at the very start of a range is inside."""
        return 1 if self.edition is Edition.V2 else 0

    def negated(self, expr: parser.UnaryExpr) -> Value:
        value = self.of(expr.expr)
        if isinstance(value, float):
            return -value
        return distinct(Vector([Sample(nameless(s.labels), -s.value) for s in _vector(value).samples]))

    def binary(self, expr: parser.BinaryExpr) -> Value:
        symbol, left, right = str(expr.op), self.of(expr.lhs), self.of(expr.rhs)
        matching = _matching(expr.modifier)
        if symbol in ARITHMETIC or symbol in COMPARISON:
            gives_bool = expr.modifier is not None and expr.modifier.return_bool
            operation = Operation(symbol=symbol, gives_bool=gives_bool)
            return combine(operation, _operand(left), _operand(right), matching)
        return sets(symbol, _vector(left), _vector(right), matching)

    def aggregated(self, expr: parser.AggregateExpr) -> Value:
        modifier = expr.modifier
        by = modifier is None or modifier.type == parser.AggModifierType.By
        labels = modifier.labels if modifier else ()
        result = aggregate(str(expr.op), _vector(self.of(expr.expr)), labels, by=by)
        if result is None:
            raise QueryError(f"the aggregation {expr.op} is not known to the sandbox's PromQL")
        return result

    def call(self, expr: parser.Call) -> Value:
        name = expr.func.name
        if name == "timestamp" and isinstance(selector := _bare(expr.args[0]), parser.VectorSelector):
            return distinct(Vector([Sample(nameless(labels), at / 1000) for labels, at, _ in self.selected(selector)]))
        args = [self.of(arg) for arg in expr.args]
        if len(args) == 1 and isinstance(args[0], Matrix):
            result: Value | None = over_range(name, args[0], self.edition)
        else:
            result = self.of_instant(name, args, expr)
        if result is None:
            raise QueryError(f"the function {name}() is not known to the sandbox's PromQL")
        return distinct(result) if isinstance(result, Vector) else result

    def of_instant(self, name: str, args: Sequence[Value], expr: parser.Call) -> Value | None:
        match name, args:
            case "time", []:
                return self.at / 1000
            case "vector", [float(value)]:
                return Vector([Sample({}, value)])
            case "scalar", [Vector(samples)]:
                return samples[0].value if len(samples) == 1 else math.nan
            case "timestamp", [Vector(samples)]:
                return Vector([Sample(nameless(sample.labels), self.at / 1000) for sample in samples])
            case "absent", [Vector(samples)]:
                return Vector(()) if samples else Vector([Sample(_absent_labels(_bare(expr.args[0])), 1.0)])
            case "histogram_quantile", [float(quantile), Vector() as buckets]:
                return histogram_quantile(quantile, buckets)
            case "label_replace", [Vector() as vector, str(target), str(template), str(source), str(pattern)]:
                return label_replace(vector, target, template, source, pattern)
            case _:
                return simple(name, args)


def _vector(value: Value) -> Vector:
    if not isinstance(value, Vector):
        raise QueryError("expected an instant vector")
    return value


def _operand(value: Value) -> float | Vector:
    if not isinstance(value, float | Vector):
        raise QueryError("binary expression must contain only scalar and instant vector types")
    return value


def _bare(expr: Any) -> Any:
    while isinstance(expr, parser.ParenExpr):
        expr = expr.expr
    return expr


def _matchers(selector: parser.VectorSelector) -> list[Matcher]:
    if selector.matchers.or_matchers:
        raise QueryError("`or` between label matchers is not PromQL")
    matchers = [Matcher(m.name, _kind(m.op), m.value) for m in selector.matchers.matchers]
    return [Matcher(NAME, MatchKind.EQUAL, selector.name), *matchers] if selector.name else matchers


def _kind(op: parser.MatchOp) -> MatchKind:
    return next(kind for known, kind in _KINDS if known == op)


def _absent_labels(selector: Any) -> dict[str, str]:
    """Return the labels that an absent series would have had: those matched by `=`, once each."""
    if not isinstance(selector, parser.VectorSelector):
        return {}
    labels: dict[str, str] = {}
    for matcher in _matchers(selector):
        if matcher.kind is MatchKind.EQUAL and matcher.name not in labels:
            labels[matcher.name] = matcher.value
        elif matcher.name != NAME:
            labels[matcher.name] = ""
    return {name: value for name, value in nameless(labels).items() if value}


def _matching(modifier: parser.BinModifier | None) -> Matching:
    if modifier is None:
        return Matching()
    if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
        raise QueryError("fill modifiers are not known to the sandbox's PromQL")
    grouping = Grouping.NONE
    if modifier.card == parser.VectorMatchCardinality.ManyToOne:
        grouping = Grouping.LEFT
    elif modifier.card == parser.VectorMatchCardinality.OneToMany:
        grouping = Grouping.RIGHT
    labels = modifier.matching
    return Matching(
        on=labels is not None and labels.type == parser.LabelModifierType.Include,
        labels=tuple(labels.labels) if labels else (),
        grouping=grouping,
        include=tuple(modifier.group_labels or ()),
    )


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
