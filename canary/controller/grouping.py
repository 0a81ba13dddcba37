"""Asks about many workloads in one query, whatever their meshes.

What falls due within a moment and whose windows end together is one query where the selectors are of one shape
(`selectors`), so that the queries do not grow with the canaries; windows of one length are one sum in it. The answers
are those of the single queries: no series stays no series, and when a query of many fails each is asked by itself, so
that one odd canary blinds no other. What the answers mean is the business of `measure`.
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
    """What questions must have in common to be asked in one query: shapes of selectors, labels to keep, the end."""

    shapes: tuple[Hashable, ...]
    by: tuple[str, ...]
    end: datetime


@dataclass(frozen=True, slots=True, order=True)
class _Asked:
    """A question of a kind: the selectors whose growth is added up, and since when."""

    selectors: tuple[str, ...]
    start: datetime


_Found = Sequence[Series] | CanaryError


@dataclass(slots=True)
class _Group:
    """Questions of one kind, and what became of them once `done` is set."""

    asked: dict[_Asked, None] = field(default_factory=dict)
    found: dict[_Asked, _Found] = field(default_factory=dict)
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
        question = _Asked(_selectors(asked), asked.start)
        shapes = tuple(found.shape for found in map(read, question.selectors) if found is not None)
        kind = _Kind(shapes=shapes, by=(BUCKET,) if asked.counted is Counted.BUCKETS else (), end=asked.end)
        if self._most == 1 or len(shapes) < len(question.selectors):
            return await self._metrics.query(_single(kind, question), asked.end)
        return await self._together(kind, question)

    async def _together(self, kind: _Kind, asked: _Asked) -> Sequence[Series]:
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

    async def _part(self, kind: _Kind, part: Sequence[_Asked]) -> Mapping[_Asked, _Found]:
        if len(part) > 1:
            columns = _columns(kind, part)
            try:
                series = await self._metrics.query(_promql(columns), kind.end)
            except CanaryError:
                pass  # which of them is at fault is not known; each is asked, and told, by itself
            else:
                return _apart(kind, part, columns, series)
        room = asyncio.Semaphore(AT_ONCE)

        async def alone(asked: _Asked) -> _Found:
            async with room:
                try:
                    return await self._metrics.query(_single(kind, asked), kind.end)
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


def _selectors(asked: Growth) -> tuple[str, ...]:
    match asked.counted:
        case Counted.TOTAL:
            counters = asked.mesh.requests(asked.workload)
            return (counters.total, *counters.also_total)
        case Counted.BAD:
            counters = asked.mesh.requests(asked.workload)
            return (counters.bad, *counters.also_bad)
        case Counted.BUCKETS:
            return (asked.mesh.latency(asked.workload).bucket,)
        case _:
            assert_never(asked.counted)


def _single(kind: _Kind, asked: _Asked) -> str:
    """Return PromQL for the growth of all selectors together, missing only where every part is."""
    parts = [increase(selector, asked.start, kind.end, kind.by) for selector in asked.selectors]
    if len(parts) == 1:
        return parts[0]
    named = (f'label_replace({part},"{PART}","{number}","","")' for number, part in enumerate(parts))
    return f"sum({' or '.join(named)})"


class _Column:
    """Selectors of one shape over one window, one for each question that has it, and the samples that came for them."""

    def __init__(self, kind: _Kind, start: datetime, selectors: Mapping[_Asked, Selector]) -> None:
        self._selectors, self._varying = selectors, varying(tuple(selectors.values()))
        self._by = kind.by
        self._samples: defaultdict[tuple[str, ...], list[tuple[tuple[str, ...], float]]] = defaultdict(list)
        together = union(tuple(selectors.values()))
        self.promql = increase(together, start, kind.end, (*self._varying, *kind.by))

    def add(self, series: Series) -> None:
        whose, kept = _values(series, self._varying), _values(series, self._by)
        self._samples[whose].append((kept, series.value))

    def of(self, asked: _Asked) -> Iterator[tuple[tuple[str, ...], float]]:
        """Yield the samples that are a question's own, with the labels to keep."""
        if (selector := self._selectors.get(asked)) is None:
            return
        own = [selector.labels[label] for label in self._varying]
        exactly = tuple(one.exact for one in own if one.exact is not None)
        if len(exactly) == len(own):
            yield from self._samples.get(exactly, ())
            return
        for values, samples in self._samples.items():
            if all(one.accepts(value) for one, value in zip(own, values, strict=True)):
                yield from samples


def _columns(kind: _Kind, part: Sequence[_Asked]) -> Mapping[str, _Column]:
    """Return what is to be added up for these questions by the name under which its samples come back."""
    found: defaultdict[tuple[int, datetime], dict[_Asked, Selector]] = defaultdict(dict)
    for asked in part:
        for place, selector in enumerate(map(read, asked.selectors)):
            if selector is not None:  # or it would not be in a group
                found[place, asked.start][asked] = selector
    return {
        str(number): _Column(kind, start, selectors) for number, ((_, start), selectors) in enumerate(found.items())
    }


def _promql(columns: Mapping[str, _Column]) -> str:
    if len(columns) == 1:
        return next(iter(columns.values())).promql
    return " or ".join(f'label_replace({one.promql},"{PART}","{name}","","")' for name, one in columns.items())


def _parts(kind: _Kind, asked: Sequence[_Asked], most: int) -> Iterator[Sequence[_Asked]]:
    """Yield the questions in parts whose queries are of bounded length, those about one workload side by side."""
    rising = sorted(asked)
    waiting = [rising[at : at + most] for at in range(0, len(rising), most)]
    while waiting:
        part = waiting.pop()
        if len(part) == 1 or len(_promql(_columns(kind, part))) <= LONGEST:
            yield part
        else:
            waiting += [part[: len(part) // 2], part[len(part) // 2 :]]


def _apart(
    kind: _Kind, part: Sequence[_Asked], columns: Mapping[str, _Column], series: Sequence[Series]
) -> Mapping[_Asked, Sequence[Series]]:
    """Return the samples of each question, added up by the labels to keep; what nobody asked for is left."""
    alone = next(iter(columns)) if len(columns) == 1 else ""
    for one in series:
        if column := columns.get(one.labels.get(PART, alone)):
            column.add(one)
    found: dict[_Asked, Sequence[Series]] = {}
    for asked in part:
        sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for column in columns.values():
            for kept, value in column.of(asked):
                sums[kept] += value
        found[asked] = [Series(_labels(kind.by, kept), total) for kept, total in sums.items()]
    return found


def _values(series: Series, labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(series.labels.get(label, "") for label in labels)


def _labels(names: Sequence[str], values: Sequence[str]) -> Mapping[str, str]:
    return {name: value for name, value in zip(names, values, strict=True) if value}
