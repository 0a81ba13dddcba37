"""Reads the selectors of adapters, so that several of one shape can be asked about at once.

Two selectors are of one shape when they name the same metric and match the same labels. One that selects what both do
has, for each label, the alternatives of both; which of the series it finds are whose, the selectors themselves tell.
That takes regular expressions that mean here what they mean to Prometheus (RE2). Those of a plain kind do; a selector
with another one is not read, and is asked about by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import promql_parser

PART = "canary_part"
"""The label by which the answers to several selectors of one question are told apart."""

_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
_ATOM = r"(?:[^\\.+*?()|\[\]{}^$]|\\[!-/:-@\[-`{-~]|\.|\[(?:\w(?:-\w)?)+\])"
_COUNT = r"(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})?"
_PLAIN = re.compile(rf"(?:{_ATOM}{_COUNT}|\|)*", re.ASCII | re.DOTALL)
"""Characters, classes of letters and digits, `.`, and how often; no groups, so that alternatives stand side by side.

Without groups no repetition is repeated either: matching takes no time that a label's value could drive up. A line end
is matched by `.` as in Prometheus 3, which no name of a workload has.
"""


@dataclass(frozen=True, slots=True)
class Alternatives:
    """What a label may be, as a regular expression without groups. `exact` is its only value where there is one."""

    pattern: str
    exact: str | None

    def accepts(self, value: str) -> bool:
        """Return whether a series with this value of the label is selected; a label that it lacks counts as empty."""
        return value == self.exact if self.exact is not None else _compiled(self.pattern).fullmatch(value) is not None

    @property
    def matcher(self) -> str:
        """Return operator and string of a PromQL matcher."""
        return f"={quoted(self.exact)}" if self.exact is not None else f"=~{quoted(self.pattern)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """One selector that was read. `rest` are its matchers with `!=` and `!~`, as PromQL."""

    metric: str
    labels: Mapping[str, Alternatives]
    rest: tuple[str, ...]

    @property
    def shape(self) -> Hashable:
        """Return what selectors must have in common to be asked about at once."""
        return (self.metric, tuple(self.labels), self.rest)


@lru_cache(maxsize=2048)
def read(text: str) -> Selector | None:
    """Return the selector, None for one that can only be asked about by itself."""
    try:
        parsed = promql_parser.parse(text)
    except ValueError:  # Prometheus says what is wrong with it
        return None
    if not isinstance(parsed, promql_parser.VectorSelector) or parsed.offset or parsed.at or not parsed.name:
        return None
    labels: dict[str, Alternatives] = {}
    rest = []
    for matcher in sorted(parsed.matchers.matchers, key=lambda one: (one.name, one.value)):
        if matcher.op == promql_parser.MatchOp.NotEqual or matcher.op == promql_parser.MatchOp.NotRe:
            operator = "!=" if matcher.op == promql_parser.MatchOp.NotEqual else "!~"
            rest.append(f"{matcher.name}{operator}{quoted(matcher.value)}")
            continue
        found = _alternatives(matcher.value, exact=matcher.op == promql_parser.MatchOp.Equal)
        if found is None or matcher.name in labels or matcher.name in ("__name__", PART):
            return None
        labels[matcher.name] = found
    return None if parsed.matchers.or_matchers else Selector(metric=parsed.name, labels=labels, rest=tuple(rest))


def _alternatives(value: str, *, exact: bool) -> Alternatives | None:
    if exact:
        return Alternatives(_SPECIAL.sub(r"\\\g<0>", value), value)
    if not _PLAIN.fullmatch(value):
        return None
    try:
        _compiled(value)
    except re.error:  # {3,2}
        return None
    return Alternatives(value, None)


def varying(selectors: Sequence[Selector]) -> tuple[str, ...]:
    """Return the labels by which selectors of one shape differ."""
    first = selectors[0].labels
    return tuple(label for label in first if any(other.labels[label] != first[label] for other in selectors))


def union(selectors: Sequence[Selector]) -> str:
    """Return a selector of at least all series that these, of one shape, select."""
    first, different = selectors[0], varying(selectors)
    matchers = [
        f"{label}=~{quoted('|'.join(sorted({one.labels[label].pattern for one in selectors})))}"
        if label in different
        else f"{label}{first.labels[label].matcher}"
        for label in first.labels
    ]
    return f"{first.metric}{{{','.join((*matchers, *first.rest))}}}"


def quoted(text: str) -> str:
    """Return a PromQL string that means `text`. PromQL escapes as Go does, and JSON's escapes are a part of these."""
    return json.dumps(text, ensure_ascii=False)


@lru_cache(maxsize=2048)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII | re.DOTALL)
