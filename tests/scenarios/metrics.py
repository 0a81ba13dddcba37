"""A Metrics port for scenarios: it answers the controller's PromQL from what each side is said to do, since when.

Not its job: PromQL itself, which the sandbox's evaluator is held to.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from canary.errors import Unavailable
from canary.ports import Clock, Series

_WINDOW = re.compile(r"\[(\d+)s\]")
_WORKLOADS = re.compile(r'destination_workload=~?"([^"]+)"')
_NAMESPACES = re.compile(r'destination_workload_namespace=~?"([^"]+)"')
_PART = re.compile(r'"canary_part","(\d+)"')
_EDGES = ("100", "500", "1000", "+Inf")
_FAST = ("100", "500")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests a second, the share of them (0..1) that fails, and the share that takes between 0.5 and 1 s."""

    rate: float = 50.0
    bad: float = 0.0
    slow: float = 0.0


@dataclass(slots=True)
class FakeMetrics:
    """`down` and `silent` make it unavailable, `broken` answers NaN.

    Traffic is by Deployment; both sides are healthy at first.
    """

    clock: Clock
    down: bool = False
    broken: bool = False
    silent: bool = False
    asked: int = 0
    _since: dict[str, list[tuple[datetime, Traffic]]] = field(default_factory=dict)

    def set(self, deployment: str, **changes: float) -> None:
        """From now on the requests of a Deployment (`NAME`, or `NAMESPACE/NAME`) are so; what is not named stays."""
        past = self._since.setdefault(deployment, [])
        now = past[-1][1] if past else Traffic()
        past.append((self.clock.now(), replace(now, **changes)))

    def forget(self, deployment: str) -> None:
        """Take a Deployment that is gone to be healthy, should it come again."""
        self._since.pop(deployment, None)

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down or self.silent:
            raise Unavailable("Prometheus did not answer")
        parts = promql.split(" or label_replace(")
        return [found for part in parts for found in self._sums(part, at)]

    def _sums(self, promql: str, at: datetime) -> Sequence[Series]:
        """Answer one sum, which may be one of several in a query."""
        window, workloads, namespaces = (part.search(promql) for part in (_WINDOW, _WORKLOADS, _NAMESPACES))
        assert window is not None, promql
        assert workloads is not None, promql
        assert namespaces is not None, promql
        start = at - timedelta(seconds=int(window[1]))
        place = {"canary_part": part[1]} if (part := _PART.search(promql)) else {}
        found: list[Series] = []
        for namespace in namespaces[1].split("|"):
            for workload in workloads[1].split("|"):
                kept = {"destination_workload_namespace": namespace, "destination_workload": workload}
                labels = (kept if "by (destination" in promql else {}) | place
                own = f"{namespace}/{workload}"
                found += self._answer(promql, labels, self._counted(own if own in self._since else workload, start, at))
        return found

    def _answer(self, promql: str, labels: Mapping[str, str], counted: tuple[float, float, float]) -> Sequence[Series]:
        total, bad, slow = counted
        if self.broken:
            return [Series(labels, math.nan)]
        if total == 0:
            return []
        if "_bucket{" in promql:
            return [Series({**labels, "le": edge}, total - slow if edge in _FAST else total) for edge in _EDGES]
        return [Series(labels, bad if "response_code" in promql else total)]

    def _counted(self, deployment: str, start: datetime, end: datetime) -> tuple[float, float, float]:
        """Return requests, failed and slow ones, between two moments."""
        begins = [(start, Traffic()), *self._since.get(deployment, ())]
        ends = [*(since for since, _ in begins[1:]), end]
        total = bad = slow = 0.0
        for (since, traffic), until in zip(begins, ends, strict=True):
            seconds = max(0.0, (min(until, end) - max(since, start)).total_seconds())
            total += seconds * traffic.rate
            bad += seconds * traffic.rate * traffic.bad
            slow += seconds * traffic.rate * traffic.slow
        return total, bad, slow
