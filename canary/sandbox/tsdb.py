"""Samples in memory: what a Prometheus would have stored, as far as instant queries can see it.

Times are milliseconds since 1970. Nothing is written to disk. Evaluation is `promql.py`, scraping is `scraper.py`.
"""

from __future__ import annotations

import functools
import re
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from canary.sandbox.promql_values import QueryError

Labels = Mapping[str, str]
NAME = "__name__"


@dataclass(slots=True, eq=False)
class StoredSeries:
    """The samples of one series in the order of time. A value of None is a stale marker: the series ended there."""

    labels: Labels
    times: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)

    def append(self, at: int, value: float | None) -> None:
        """Add a sample; one that is not newer than the last is ignored."""
        if not self.times or at > self.times[-1]:
            self.times.append(at)
            self.values.append(value)

    def last(self, *, above: int, until: int) -> tuple[int, float] | None:
        """Return the newest sample with `above` < time <= `until`, None when there is none or it is a stale marker."""
        place = bisect_right(self.times, until) - 1
        if place < 0 or self.times[place] <= above:
            return None
        value = self.values[place]
        return None if value is None else (self.times[place], value)

    def between(self, *, above: int, until: int) -> list[tuple[int, float]]:
        """Return the samples with `above` < time <= `until`, without stale markers."""
        start, end = bisect_right(self.times, above), bisect_right(self.times, until)
        pairs = zip(self.times[start:end], self.values[start:end], strict=True)
        return [(at, value) for at, value in pairs if value is not None]

    def forget(self, before: int) -> None:
        """Drop the samples older than `before`."""
        place = bisect_left(self.times, before)
        del self.times[:place], self.values[:place]


class MatchKind(StrEnum):
    """The four operators of a label matcher."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher; a label that a series does not have counts as empty."""

    name: str
    kind: MatchKind
    value: str

    def accepts(self, labels: Labels) -> bool:
        """Return whether a series with these labels passes."""
        found = labels.get(self.name, "")
        match self.kind:
            case MatchKind.EQUAL:
                return found == self.value
            case MatchKind.NOT_EQUAL:
                return found != self.value
            case MatchKind.REGEX:
                return regex(self.value).fullmatch(found) is not None
            case MatchKind.NOT_REGEX:
                return regex(self.value).fullmatch(found) is None


@functools.lru_cache(maxsize=512)
def regex(pattern: str) -> re.Pattern[str]:
    """Compile an RE2 pattern; raises `QueryError` for what Python reads otherwise than RE2 or not at all."""
    if re.search(r"\[\[:|\\[pPQEzZACXRGKhHN]|(?<!\\)[*+?}][*+]", pattern):
        raise QueryError(f"the regular expression {pattern!r} uses syntax that the sandbox does not know")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            return re.compile(pattern, re.ASCII)
    except (re.error, FutureWarning) as err:
        raise QueryError(f"the regular expression {pattern!r} cannot be used: {err}") from err


class Store:
    """All series. Samples older than `retention` are dropped by `trim`."""

    def __init__(self, retention: timedelta = timedelta(hours=1)) -> None:
        self._retention = int(retention.total_seconds() * 1000)
        self._by_name: dict[str, dict[frozenset[tuple[str, str]], StoredSeries]] = {}

    def series(self, labels: Labels) -> StoredSeries:
        """Return the series with exactly these labels (`__name__` among them; empty ones are left out); may be new."""
        kept = {name: value for name, value in labels.items() if value}
        named = self._by_name.setdefault(kept.get(NAME, ""), {})
        key = frozenset(kept.items())
        found = named.get(key)
        if found is None:
            found = named[key] = StoredSeries(kept)
        return found

    def append(self, labels: Labels, at: int, value: float | None) -> None:
        """Add one sample; None ends the series."""
        self.series(labels).append(at, value)

    def select(self, matchers: Sequence[Matcher]) -> Iterator[StoredSeries]:
        """Yield the series that pass all matchers."""
        names = [matcher.value for matcher in matchers if (matcher.name, matcher.kind) == (NAME, MatchKind.EQUAL)]
        equal = frozenset((each.name, each.value) for each in matchers if each.kind is MatchKind.EQUAL and each.value)
        rest = [each for each in matchers if each.kind is not MatchKind.EQUAL or not each.value]
        for group in self._groups(names):
            for labels, series in group.items():
                if equal <= labels and all(matcher.accepts(series.labels) for matcher in rest):
                    yield series

    def _groups(self, names: Sequence[str]) -> Iterable[dict[frozenset[tuple[str, str]], StoredSeries]]:
        if not names:
            return self._by_name.values()
        return [self._by_name.get(names[0], {})] if len(set(names)) == 1 else []

    def trim(self, now: int) -> None:
        """Drop what is older than the retention, and series without samples."""
        for name, named in list(self._by_name.items()):
            for key, series in list(named.items()):
                series.forget(now - self._retention)
                if not series.times:
                    del named[key]
            if not named:
                del self._by_name[name]
