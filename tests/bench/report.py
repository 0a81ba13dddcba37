"""The figures of the bench beside their budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from tests.bench.world import EFFECTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """What the controller did for some time: processor cores, requests to the API server, queries to Prometheus."""

    seconds: float
    cores: float
    reads: int
    writes: int
    queries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured with so many canaries. `seconds` are from event to effect, by event, rising."""

    registered: int
    running: int
    onboarding_s: float
    onboarding_cpu_s: float
    rest: Steady
    steady: Steady
    step: Steady
    interval_s: float
    seconds: Mapping[str, Sequence[float]]
    onboarded_mib: float
    rss_mib: float
    peak_mib: float

    @property
    def evaluations(self) -> float:
        """How many evaluations there were while the rollouts ran, at least one of each."""
        return self.running * max(1.0, self.steady.seconds // self.interval_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table. `most` is the budget, None where there is none; it holds `within` so many canaries."""

    name: str
    unit: str
    value: Callable[[Figures], float]
    most: float | None = None
    within: int = 2000

    def shown(self, value: float) -> str:
        """Return a value as people read it: three digits that count, and the unit."""
        digits = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        return f"{digits} {self.unit}".rstrip()


def quantile(rising: Sequence[float], share: float) -> float:
    """Return the value that `share` of the measured ones do not exceed; infinite when nothing was measured."""
    return rising[min(len(rising) - 1, int(share * len(rising)))] if rising else float("inf")


def _times() -> Iterator[Line]:
    for event, effect in EFFECTS.items():
        for share, most in ((0.5, None), (0.99, 1.0)):
            yield Line(
                name=f"{event} to {effect}, p{share * 100:.0f}",
                unit="s",
                value=lambda it, event=event, share=share: quantile(it.seconds[event], share),  # type: ignore[misc]
                most=most,
            )


LINES = (
    *_times(),
    Line(name="requests of idle canaries", unit="", value=lambda it: it.rest.reads + it.rest.writes, most=0),
    Line(name="cores, idle", unit="", value=lambda it: it.rest.cores),
    Line(name="cores, rollouts running", unit="", value=lambda it: it.steady.cores, most=0.2, within=1000),
    Line(name="memory after onboarding", unit="MiB", value=lambda it: it.onboarded_mib, most=256, within=1000),
    Line(name="memory at the end", unit="MiB", value=lambda it: it.rss_mib, most=256, within=1000),
    Line(name="memory, at most", unit="MiB", value=lambda it: it.peak_mib),
    Line(
        name="writes of a rollout, an evaluation", unit="", value=lambda it: it.steady.writes / it.evaluations, most=1
    ),
    Line(name="queries of a rollout, an evaluation", unit="", value=lambda it: it.steady.queries / it.evaluations),
    Line(
        name="writes of a rollout, a step and its evaluations",
        unit="",
        value=lambda it: it.step.writes / it.running,
        most=7,
    ),
    Line(name="reads", unit="", value=lambda it: it.steady.reads + it.step.reads, most=0),
    Line(name="queries a minute", unit="", value=lambda it: 60 * it.steady.queries / it.steady.seconds),
    Line(name="onboarding of all", unit="s", value=lambda it: it.onboarding_s),
    Line(
        name="processor time of one onboarding", unit="ms", value=lambda it: 1000 * it.onboarding_cpu_s / it.registered
    ),
)


def table(found: Sequence[Figures]) -> Table:
    """Return the table: a line for each figure, a column for each size."""
    shown = Table(title="The controller alone, real time, this machine")
    shown.add_column("")
    shown.add_column("budget", justify="right")
    for figures in found:
        shown.add_column(f"{figures.registered} registered, {figures.running} running", justify="right")
    for line in LINES:
        budget = "" if line.most is None else line.shown(line.most)
        shown.add_row(line.name, budget, *(line.shown(line.value(figures)) for figures in found))
    return shown


def broken(figures: Figures) -> Iterator[str]:
    """Yield each budget that was broken."""
    for line in LINES:
        value = line.value(figures)
        if line.most is not None and figures.registered <= line.within and value > line.most:
            told = f"{line.shown(value)}, the budget is {line.shown(line.most)}"
            yield f"{figures.registered:,} registered: {line.name}: {told}"
