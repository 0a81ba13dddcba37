"""Seeded random requests in virtual time, counted by the second, for the simulation of verdicts."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

from canary.rollout.model import Answer, Counts, Question, Side
from tests.rollout.cluster import Cluster


def poisson(source: random.Random, mean: float) -> int:
    """Return a Poisson number: Knuth's product for small means, the normal approximation above 30."""
    if mean > 30:
        return max(0, round(source.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), source.random(), 0
    while product > limit:
        product *= source.random()
        count += 1
    return count


class Traffic:
    """Requests at `rate` a second, split by the route's weight; a share of each side's is bad."""

    def __init__(self, cluster: Cluster, seed: int, rate: float, canary_bad: float) -> None:
        self.cluster = cluster
        self.start = cluster.now
        self.source = random.Random(seed)
        self.rate = rate
        self.bad_share = {Side.CANARY: canary_bad, Side.PRIMARY: 0.002}
        self.seconds: list[dict[Side, tuple[int, int]]] = []

    def flow(self, seconds: int) -> None:
        """Let whole seconds pass with requests at the present split."""
        share = (self.cluster.weight or 0) / 100
        for _ in range(seconds):
            self.seconds.append(
                {Side.CANARY: self._one(Side.CANARY, share), Side.PRIMARY: self._one(Side.PRIMARY, 1 - share)}
            )
        self.cluster.advance(timedelta(seconds=seconds))

    def _one(self, side: Side, part: float) -> tuple[int, int]:
        bad = poisson(self.source, self.rate * part * self.bad_share[side]) if part else 0
        good = poisson(self.source, self.rate * part * (1 - self.bad_share[side])) if part else 0
        return bad + good, bad

    def answer(self, question: Question) -> Answer:
        """Return what Prometheus would say: no series at all where no request came in the window."""
        first, last = (round((moment - self.start).total_seconds()) for moment in (question.start, question.end))
        counted = [second[question.side] for second in self.seconds[max(0, first) : last]]
        total, bad = sum(total for total, _ in counted), sum(bad for _, bad in counted)
        return Counts(total=float(total) if total else None, bad=float(bad))

    def canary_bad(self, since: datetime) -> int:
        """Return how many requests failed at the canary since a moment."""
        first = round((since - self.start).total_seconds())
        return sum(second[Side.CANARY][1] for second in self.seconds[first:])
