"""A Metrics port for scenarios: it answers the controller's PromQL from what each side is said to do, since when.

Not its job: PromQL itself, which the sandbox's evaluator is held to.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from canary.errors import Unavailable
from canary.ports import Clock, Series

_WINDOW = re.compile(r"\[(\d+)s\]")
_WORKLOAD = re.compile(r'destination_workload="([^"]+)"')
_EDGES = ("100", "500", "1000", "+Inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests a second, the share of them (0..1) that fails, and the share that takes between 0.5 and 1 s."""

    rate: float = 50.0
    bad: float = 0.0
    slow: float = 0.0


@dataclass(slots=True)
class FakeMetrics:
    """`down` makes it unavailable, `broken` answers NaN. Traffic is by Deployment; both sides are healthy at first."""

    clock: Clock
    down: bool = False
    broken: bool = False
    asked: int = 0
    _since: dict[str, list[tuple[datetime, Traffic]]] = field(default_factory=dict)

    def set(self, deployment: str, **changes: float) -> None:
        """From now on the Deployment's requests are so; what is not named stays."""
        past = self._since.setdefault(deployment, [])
        now = past[-1][1] if past else Traffic()
        past.append((self.clock.now(), replace(now, **changes)))

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("Prometheus did not answer")
        window, workload = _WINDOW.search(promql), _WORKLOAD.search(promql)
        assert window is not None, promql
        assert workload is not None, promql
        total, bad, slow = self._counted(workload[1], at - timedelta(seconds=int(window[1])), at)
        if self.broken:
            return [Series({}, math.nan)]
        if total == 0:
            return []
        if "_bucket{" in promql:
            return [Series({"le": edge}, total - slow if edge in ("100", "500") else total) for edge in _EDGES]
        return [Series({}, bad if "response_code" in promql else total)]

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
