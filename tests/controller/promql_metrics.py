"""A Metrics port over samples in memory, for tests: the sandbox's PromQL without a server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from canary.ports import Series
from canary.sandbox.promql import evaluate
from canary.sandbox.promql_values import Vector, nameless
from canary.sandbox.tsdb import Store

START = datetime(2026, 1, 1, tzinfo=UTC)
SCRAPE = timedelta(seconds=15)


def scrape(number: int) -> datetime:
    """The moment of a scrape."""
    return START + number * SCRAPE


class PromQL:
    """Answers from a store; `asked` has every query with its moment, in order."""

    def __init__(self) -> None:
        self.store = Store()
        self.asked: list[tuple[str, datetime]] = []

    def samples(self, name: str, labels: dict[str, str], first: int, values: Iterable[float]) -> None:
        """Store one sample a scrape, the first of them at scrape `first`."""
        for turn, value in enumerate(values):
            self.store.append({"__name__": name, **labels}, _ms(scrape(first + turn)), value)

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        self.asked.append((promql, at))
        value = evaluate(self.store, promql, _ms(at))
        if isinstance(value, float):
            return [Series({}, value)]
        assert isinstance(value, Vector)
        return [Series(nameless(sample.labels), sample.value) for sample in value.samples]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
