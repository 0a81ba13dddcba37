"""Asks about many workloads in one query, where the mesh's adapter can (`Grouping` in meshes.contract).

What falls due within a moment and looks at the same window is one query, so that the load of Prometheus does not grow
with the canaries. The answers are those of the single queries: no series stays no series, and when a query of many
fails each is asked by itself, so that one odd canary blinds no other. What the answers mean is the business of
`measure`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from canary.errors import CanaryError, Unavailable
from canary.ports import Metrics, Series
from meshes.contract import AppProtocol, Counters, Grouping, Mesh, Workload

GATHER_S = 0.2
"""How long the first question waits for others; passes that are due at one moment run within less."""
MOST = 100
"""Workloads in one query."""
LONGEST = 16_000
"""Characters of one query; PromQL says each selector four times (`increase`)."""
AT_ONCE = 16
"""How many queries of one group are under way at once, after it fell apart into single ones."""


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
    """What questions must have in common to be asked in one query."""

    mesh: str
    protocol: AppProtocol
    labels: tuple[str, ...]
    counted: Counted
    start: datetime
    end: datetime


@dataclass(slots=True)
class _Group:
    """Questions of one kind, by identity, and what became of them once `done` is set."""

    asked: dict[tuple[str, ...], Growth] = field(default_factory=dict)
    found: dict[tuple[str, ...], Sequence[Series] | CanaryError] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Grouper:
    """Answers questions about growth. The first of a group waits for others and asks for all of them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: dict[_Kind, _Group] = {}

    async def growth(self, asked: Growth) -> Sequence[Series]:
        """Return one sample for the workload, or one for each bucket by `le`; empty when it has no series.

        Raises what `Metrics.query` raises.
        """
        if not isinstance(asked.mesh, Grouping):
            return await self._metrics.query(_single(asked), asked.end)
        identity = asked.mesh.identity(asked.workload)
        kind = _kind(asked, tuple(sorted(identity)))
        key = tuple(identity[label] for label in kind.labels)
        group = self._open.get(kind)
        if group is not None:
            group.asked.setdefault(key, asked)
            await group.done.wait()
        else:
            group = self._open[kind] = _Group(asked={key: asked})
            await self._lead(kind, group)
        found = group.found.get(key)
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
            parts = tuple(_parts(kind, group.asked))
            for answers in await asyncio.gather(*(self._part(kind, part) for part in parts)):
                group.found.update(answers)
        finally:
            group.done.set()

    async def _part(
        self, kind: _Kind, part: Mapping[tuple[str, ...], Growth]
    ) -> Mapping[tuple[str, ...], Sequence[Series] | CanaryError]:
        if len(part) > 1:
            try:
                series = await self._metrics.query(_promql(kind, tuple(part.values())), kind.end)
            except CanaryError:
                pass  # which of them is at fault is not known; each is asked, and told, by itself
            else:
                return _apart(kind, part, series)
        room = asyncio.Semaphore(AT_ONCE)

        async def alone(asked: Growth) -> Sequence[Series] | CanaryError:
            async with room:
                try:
                    return await self._metrics.query(_single(asked), asked.end)
                except CanaryError as error:
                    return error

        answers = await asyncio.gather(*(alone(asked) for asked in part.values()))
        return dict(zip(part, answers, strict=True))


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


def _single(asked: Growth) -> str:
    mesh, workload = asked.mesh, asked.workload
    match asked.counted:
        case Counted.TOTAL:
            return increase(mesh.requests(workload).total, asked.start, asked.end, ())
        case Counted.BAD:
            return _failures(mesh.requests(workload), asked)
        case Counted.BUCKETS:
            return increase(mesh.latency(workload).bucket, asked.start, asked.end, ("le",))
        case _:
            assert_never(asked.counted)


def _failures(counters: Counters, asked: Growth) -> str:
    """Return PromQL for the growth of all that counts failures; a sum with a missing part would be missing whole."""
    parts = [increase(selector, asked.start, asked.end, ()) for selector in (counters.bad, *counters.also_bad)]
    return parts[0] if len(parts) == 1 else " + ".join(f"({part} or vector(0))" for part in parts)


def _kind(asked: Growth, labels: tuple[str, ...]) -> _Kind:
    return _Kind(
        mesh=asked.mesh.name,
        protocol=asked.workload.protocol,
        labels=labels,
        counted=asked.counted,
        start=asked.start,
        end=asked.end,
    )


def _promql(kind: _Kind, part: Sequence[Growth]) -> str:
    mesh = part[0].mesh
    assert isinstance(mesh, Grouping)
    workloads = [asked.workload for asked in part]
    match kind.counted:
        case Counted.TOTAL:
            return increase(mesh.requests_of(workloads).total, kind.start, kind.end, kind.labels)
        case Counted.BAD:
            return increase(mesh.requests_of(workloads).bad, kind.start, kind.end, kind.labels)
        case Counted.BUCKETS:
            return increase(mesh.latency_of(workloads).bucket, kind.start, kind.end, (*kind.labels, "le"))
        case _:
            assert_never(kind.counted)


def _parts(kind: _Kind, asked: Mapping[tuple[str, ...], Growth]) -> Iterator[Mapping[tuple[str, ...], Growth]]:
    """Yield the questions in parts whose queries are of bounded length, those of one namespace side by side."""
    waiting = [dict(sorted(asked.items())[at : at + MOST]) for at in range(0, len(asked), MOST)]
    while waiting:
        part = waiting.pop()
        if len(part) == 1 or len(_promql(kind, tuple(part.values()))) <= LONGEST:
            yield part
        else:
            half = tuple(part.items())
            waiting += [dict(half[: len(half) // 2]), dict(half[len(half) // 2 :])]


def _apart(
    kind: _Kind, part: Mapping[tuple[str, ...], Growth], series: Sequence[Series]
) -> Mapping[tuple[str, ...], Sequence[Series]]:
    """Return the samples of each question without the labels that tell them apart; what nobody asked for is left."""
    found: dict[tuple[str, ...], list[Series]] = {key: [] for key in part}
    for one in series:
        key = tuple(one.labels.get(label, "") for label in kind.labels)
        if key in found:
            rest = {label: value for label, value in one.labels.items() if label not in kind.labels}
            found[key].append(Series(rest, one.value))
    return found
