"""The figures of the soak, and when they count as flat. Pure: what is sampled, and when, is `__main__.py`'s job.

A figure of a point is the median of the samples since the point before. Flat is what is, as the median of the last
three points, no higher than as the median of points two to four (the first one warms up), but for an allowance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from rich.table import Table

POINTS = 10
EARLY, LATE = slice(1, 4), slice(7, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the controller held at one moment, and `ended`: how many rollouts had ended until then."""

    rss_mib: float
    tasks: float
    files: float
    sockets: float
    threads: float
    lines: float
    series: float
    queued: float
    waiting: float
    own_mib: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure. It may grow by `share` of what it was and by `more`; None for one that is shown only.

    At rest, with every canary gone, it is no more than `left` above what it was before the first came.
    """

    name: str
    value: Callable[[Sample], float]
    share: float | None = None
    more: float = 0.0
    left: float | None = None


FIGURES = (
    Figure(name="memory, resident, MiB", value=lambda it: it.rss_mib, share=0.05, more=4.0),
    Figure(name="asyncio tasks", value=lambda it: it.tasks, share=0.25, more=10.0, left=2.0),
    Figure(name="open files", value=lambda it: it.files, share=0.25, more=10.0),
    Figure(name="sockets of them", value=lambda it: it.sockets, share=0.25, more=10.0),
    Figure(name="threads", value=lambda it: it.threads, share=0.0, more=8.0),
    Figure(name="lines of /metrics", value=lambda it: it.lines, share=0.25, more=20.0),
    Figure(name="series of canaries", value=lambda it: it.series, share=0.25, more=20.0, left=0.0),
    Figure(name="keys due in the queues", value=lambda it: it.queued, share=0.25, more=10.0, left=0.0),
    Figure(name="messages in the outbox", value=lambda it: it.waiting, share=0.25, more=10.0, left=0.0),
    Figure(name="rollouts that ended", value=lambda it: it.ended),
    Figure(name="memory of the soak itself, MiB", value=lambda it: it.own_mib),
)
"""Memory may grow by 5 % and 4 MiB: the heap's fragments, and what is kept of the past within bounds (which objects
are gone, the annotations that were read), which fills up in the first hours. The others go up and down with what the
canaries do just then: more is told than Slack lets through, so that the outbox is as full as it gets. The threads are a
pool of eight that starts one when it is needed. What leaks with each of thousands of rollouts is far more than that."""


def at_point(samples: Sequence[Sample]) -> Sample:
    """Return the medians of some samples, at least one."""
    fields = Sample.__dataclass_fields__
    return Sample(**{name: median(getattr(one, name) for one in samples) for name in fields})


def grown(points: Sequence[Sample]) -> Iterator[str]:
    """Yield each figure that is not flat over all points."""
    for figure in FIGURES:
        early, late, most = _compared(figure, points)
        if most is not None and late > most:
            yield f"{figure.name}: {late:.4g} at the end, {early:.4g} at the beginning, at most {most:.4g} is allowed"


def left_behind(before: Sample, after: Sample) -> Iterator[str]:
    """Yield what is still there with every canary gone."""
    for figure in FIGURES:
        was, now = figure.value(before), figure.value(after)
        if figure.left is not None and now > was + figure.left:
            yield f"{figure.name}: {now:.4g} with every canary gone, {was:.4g} before the first came"


def table(points: Sequence[Sample]) -> Table:
    """Return a line for each figure and a column for each point; the last column is what would not have been flat."""
    shown = Table(title="The controller alone, over time")
    shown.add_column("")
    for number in range(1, len(points) + 1):
        shown.add_column(str(number), justify="right")
    shown.add_column("at most", justify="right")
    for figure in FIGURES:
        most = _compared(figure, points)[2] if len(points) == POINTS else None
        values = (f"{figure.value(point):.4g}" for point in points)
        shown.add_row(figure.name, *values, "" if most is None else f"{most:.4g}")
    return shown


def _compared(figure: Figure, points: Sequence[Sample]) -> tuple[float, float, float | None]:
    early, late = (median(figure.value(point) for point in points[part]) for part in (EARLY, LATE))
    return early, late, None if figure.share is None else early * (1 + figure.share) + figure.more
