"""Asks about many workloads in one query, whatever their meshes.

What falls due within a moment and looks at the same window is one query where the selectors are of one shape
(`selectors`), so that the load of Prometheus does not grow with the canaries. The answers are those of the single
queries: no series stays no series, and when a query of many fails each is asked by itself, so that one odd canary
blinds no other. What the answers mean is the business of `measure`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from canary.controller.selectors import PART, Selector, read, union, varying
from canary.errors import CanaryError, Unavailable
from canary.ports import Metrics, Series
from meshes.contract import Mesh, Workload

GATHER_S = 0.2
"""How long the first question waits for others; passes that are due at one moment run within less."""
MOST = 100
"""Questions in one query."""
LONGEST = 64_000
"""Characters of one query; PromQL says each selector four times (`increase`)."""
AT_ONCE = 16
"""How many queries of one group are under way at once, after it fell apart into single ones."""
BUCKET = "le"
"""The label of a histogram's buckets."""


class Counted(StrEnum):
    """What is counted of a workload: all requests, the failed ones, those in each latency bucket."""

    TOTAL = "total"
    BAD = "bad"
    BUCKETS = "buckets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A question: by how much counters of a workload grew from `start` to `end`."""

    mesh: Mesh
    workload: Workload
    counted: Counted
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What questions must have in common to be asked in one query: shapes of selectors, labels to keep, the window."""

    shapes: tuple[Hashable, ...]
    by: tuple[str, ...]
    start: datetime
    end: datetime


Asked = tuple[str, ...]
"""A question of a kind: the selectors whose growth is added up."""
Found = Sequence[Series] | CanaryError


@dataclass(slots=True)
class _Group:
    """Questions of one kind, and what became of them once `done` is set."""

    asked: dict[Asked, None] = field(default_factory=dict)
    found: dict[Asked, Found] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Grouper:
    """Answers questions about growth. The first of a group waits for others and asks for all of them.

    `most` is how many may be asked in one query; 1 asks each by itself.
    """

    def __init__(self, metrics: Metrics, *, most: int = MOST) -> None:
        self._metrics = metrics
        self._most = most
        self._open: dict[_Kind, _Group] = {}

    async def growth(self, asked: Growth) -> Sequence[Series]:
        """Return one sample for the workload, or one for each bucket by `le`; empty when it has no series.

        Raises what `Metrics.query` raises, and RouteError where the mesh does not know by what to count.
        """
        selectors, by = _selectors(asked), (BUCKET,) if asked.counted is Counted.BUCKETS else ()
        shapes = [selector.shape for selector in map(read, selectors) if selector is not None]
        if self._most == 1 or len(shapes) < len(selectors):
            return await self._metrics.query(_single(selectors, asked.start, asked.end, by), asked.end)
        return await self._together(_Kind(shapes=tuple(shapes), by=by, start=asked.start, end=asked.end), selectors)

    async def _together(self, kind: _Kind, asked: Asked) -> Sequence[Series]:
        group = self._open.get(kind)
        if group is not None:
            group.asked[asked] = None
            await group.done.wait()
        else:
            group = self._open[kind] = _Group(asked={asked: None})
            await self._lead(kind, group)
        found = group.found.get(asked)
        if found is None:
            raise Unavailable("the question to Prometheus was given up with the group that it was part of")
        if isinstance(found, CanaryError):
            raise found
        return found

    async def _lead(self, kind: _Kind, group: _Group) -> None:
        try:
            try:
                await asyncio.sleep(GATHER_S)
            finally:
                del self._open[kind]
            parts = tuple(_parts(kind, tuple(group.asked), self._most))
            for answers in await asyncio.gather(*(self._part(kind, part) for part in parts)):
                group.found.update(answers)
        finally:
            group.done.set()

    async def _part(self, kind: _Kind, part: Sequence[Asked]) -> Mapping[Asked, Found]:
        if len(part) > 1:
            try:
                series = await self._metrics.query(_promql(kind, part), kind.end)
            except CanaryError:
                pass  # which of them is at fault is not known; each is asked, and told, by itself
            else:
                return _apart(kind, part, series)
        room = asyncio.Semaphore(AT_ONCE)

        async def alone(asked: Asked) -> Found:
            async with room:
                try:
                    return await self._metrics.query(_single(asked, kind.start, kind.end, kind.by), kind.end)
                except CanaryError as error:
                    return error

        return dict(zip(part, await asyncio.gather(*map(alone, part)), strict=True))


def increase(selector: str, start: datetime, end: datetime, by: Sequence[str]) -> str:
    """Return PromQL for how much the counters of `selector` grew over a window, asked at its end.

    A series that is new since the window began counts from 0, which `increase` alone does not do: it takes the first
    sample for the base. `by` are the labels to keep, none for the sum of all.
    """
    window = f"{max(1, round((end - start).total_seconds()))}s"
    grown = f"(increase({selector}[{window}]) and ({selector} offset {window}))"
    fresh = f"({selector} unless ({selector} offset {window}))"
    kept = f" by ({','.join(by)})" if by else ""
    return f"sum{kept}({grown} or {fresh})"


def _selectors(asked: Growth) -> Asked:
    match asked.counted:
        case Counted.TOTAL:
            return (asked.mesh.requests(asked.workload).total,)
        case Counted.BAD:
            counters = asked.mesh.requests(asked.workload)
            return (counters.bad, *counters.also_bad)
        case Counted.BUCKETS:
            return (asked.mesh.latency(asked.workload).bucket,)
        case _:
            assert_never(asked.counted)


def _single(selectors: Asked, start: datetime, end: datetime, by: Sequence[str]) -> str:
    """Return PromQL for the growth of all selectors; a sum with a missing part would be missing whole."""
    parts = [increase(selector, start, end, by) for selector in selectors]
    return parts[0] if len(parts) == 1 else " + ".join(f"({part} or vector(0))" for part in parts)


def _promql(kind: _Kind, part: Sequence[Asked]) -> str:
    """Return PromQL for the growth of all questions, by the labels that tell them apart."""
    grown = [
        increase(union(selectors), kind.start, kind.end, (*varying(selectors), *kind.by))
        for selectors in _columns(part)
    ]
    if len(grown) == 1:
        return grown[0]
    return " or ".join(f'label_replace({sums},"{PART}","{place}","","")' for place, sums in enumerate(grown))


def _columns(part: Sequence[Asked]) -> Sequence[Sequence[Selector]]:
    """Return the first selectors of all questions, the second ones, and so on; those of a column are of one shape."""
    return [[found for found in map(read, column) if found is not None] for column in zip(*part, strict=True)]


def _parts(kind: _Kind, asked: Sequence[Asked], most: int) -> Iterator[Sequence[Asked]]:
    """Yield the questions in parts whose queries are of bounded length, those of one namespace side by side."""
    rising = sorted(asked)
    waiting = [rising[at : at + most] for at in range(0, len(rising), most)]
    while waiting:
        part = waiting.pop()
        if len(part) == 1 or len(_promql(kind, part)) <= LONGEST:
            yield part
        else:
            waiting += [part[: len(part) // 2], part[len(part) // 2 :]]


def _apart(kind: _Kind, part: Sequence[Asked], series: Sequence[Series]) -> Mapping[Asked, Sequence[Series]]:
    """Return the samples of each question, added up by the labels to keep; what nobody asked for is left."""
    columns = {str(place): _Column(selectors, kind.by) for place, selectors in enumerate(_columns(part))}
    for one in series:
        if column := columns.get(one.labels.get(PART, "0")):
            column.add(one)
    found: dict[Asked, Sequence[Series]] = {}
    for place, asked in enumerate(part):
        sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        if len(columns) > 1:
            sums[()] = 0.0  # as `or vector(0)` does
        for column in columns.values():
            for kept, value in column.of(place):
                sums[kept] += value
        found[asked] = [Series(_labels(kind.by, kept), total) for kept, total in sums.items()]
    return found


class _Column:
    """The samples that came for one selector of each question, by the labels in which these differ."""

    def __init__(self, selectors: Sequence[Selector], by: Sequence[str]) -> None:
        self._selectors, self._by, self._varying = selectors, by, varying(selectors)
        self._samples: defaultdict[tuple[str, ...], list[tuple[tuple[str, ...], float]]] = defaultdict(list)

    def add(self, series: Series) -> None:
        whose, kept = _values(series, self._varying), _values(series, self._by)
        self._samples[whose].append((kept, series.value))

    def of(self, place: int) -> Iterator[tuple[tuple[str, ...], float]]:
        """Yield the samples that one of the selectors picks, with the labels to keep."""
        own = [self._selectors[place].labels[label] for label in self._varying]
        exactly = tuple(one.exact for one in own if one.exact is not None)
        if len(exactly) == len(own):
            yield from self._samples.get(exactly, ())
            return
        for values, samples in self._samples.items():
            if all(one.accepts(value) for one, value in zip(own, values, strict=True)):
                yield from samples


def _values(series: Series, labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(series.labels.get(label, "") for label in labels)


def _labels(names: Sequence[str], values: Sequence[str]) -> Mapping[str, str]:
    return {name: value for name, value in zip(names, values, strict=True) if value}
