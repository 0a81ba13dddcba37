"""What one pod answered, counted: the raw figures that each mesh's exporter tells in its own names."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outcome:
    """One kind of answer: the host that was asked for, the HTTP status, and gRPC's status, None for plain HTTP."""

    host: str
    code: int
    grpc: int | None = None


@dataclass(slots=True)
class Durations:
    """The durations of one kind of answer in milliseconds: how many in each bucket (not cumulative), and their sum."""

    buckets: list[int]
    total_ms: float = 0.0

    @property
    def count(self) -> int:
        """How many answers there were."""
        return sum(self.buckets)


@dataclass(slots=True)
class Ledger:
    """What one pod answered, by outcome. An outcome appears with its first answer.

    `probes` is how many times the kubelet looked after it: not requests of clients, but some proxies see them too.
    """

    edges_ms: tuple[float, ...]
    probes: int = 0
    answers: dict[Outcome, Durations] = field(default_factory=dict)

    def add(self, outcome: Outcome, duration_ms: float) -> None:
        """Count one answer."""
        durations = self.answers.get(outcome)
        if durations is None:
            durations = self.answers[outcome] = Durations([0] * (len(self.edges_ms) + 1))
        durations.buckets[bisect.bisect_left(self.edges_ms, duration_ms)] += 1
        durations.total_ms += duration_ms
