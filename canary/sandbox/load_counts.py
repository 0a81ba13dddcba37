"""What the load counts: values that add up, from a quarter of a second to a whole run.

How requests are made is the job of `load` and `load_process`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Who answered: a Deployment's name, a pod-template-hash, an image's tag; each "" when the pod has none."""

    workload: str
    revision: str
    version: str


GRPC_FAULTS = frozenset({2, 4, 12, 13, 14, 15})
"""Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss: gRPC's statuses for a server's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers of one source, by status code, and by latency in milliseconds (rounded to 0.1, from 100 to 1).

    `grpc` counts those of them that carry a gRPC status, by it.
    """

    codes: Mapping[int, int] = field(default_factory=dict)
    latencies_ms: Mapping[float, int] = field(default_factory=dict)
    grpc: Mapping[int, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """How many there are."""
        return sum(self.codes.values())

    @property
    def failed(self) -> int:
        """How many of them are 5xx, or a server's fault by their gRPC status."""
        http = sum(count for code, count in self.codes.items() if code >= 500)
        return http + sum(count for status, count in self.grpc.items() if status in GRPC_FAULTS)

    def latency_ms(self, quantile: float) -> float | None:
        """Return the latency that this share of the answers (0..1) does not exceed, None without answers."""
        rank = quantile * self.requests
        passed = 0
        for value in sorted(self.latencies_ms):
            passed += self.latencies_ms[value]
            if passed >= rank:
                return value
        return None

    def plus(self, other: Answers) -> Answers:
        """Return both together."""
        return Answers(
            codes=Counter(self.codes) + Counter(other.codes),
            latencies_ms=Counter(self.latencies_ms) + Counter(other.latencies_ms),
            grpc=Counter(self.grpc) + Counter(other.grpc),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSample:
    """What was counted in `seconds`: answers by source, and losses by what came instead of a pod's answer.

    A request counts when it ends. `skipped` were not sent, for too many were unanswered.
    """

    seconds: float = 0.0
    answers: Mapping[Source, Answers] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)
    skipped: int = 0

    @property
    def lost(self) -> int:
        """How many requests no pod answered."""
        return sum(self.losses.values())

    @property
    def requests(self) -> int:
        """How many requests ended, lost ones included."""
        return self.total.requests + self.lost

    @property
    def failed(self) -> int:
        """How many requests a pod answered by 5xx or a gRPC fault."""
        return self.total.failed

    @property
    def total(self) -> Answers:
        """The answers of all sources together."""
        return self.answers_of()

    def answers_of(self, *, workload: str | None = None, revision: str | None = None) -> Answers:
        """Return the answers of all sources of that workload and that revision; None is any."""
        found = Answers()
        for source, answers in self.answers.items():
            if workload in (None, source.workload) and revision in (None, source.revision):
                found = found.plus(answers)
        return found

    def plus(self, other: LoadSample) -> LoadSample:
        """Return both together."""
        sources = self.answers.keys() | other.answers.keys()
        nothing = Answers()
        return LoadSample(
            seconds=self.seconds + other.seconds,
            answers={one: self.answers.get(one, nothing).plus(other.answers.get(one, nothing)) for one in sources},
            losses=Counter(self.losses) + Counter(other.losses),
            skipped=self.skipped + other.skipped,
        )


def sample(message: Mapping[str, Any]) -> LoadSample:
    """Return the counts that the load's process reports in one message."""
    return LoadSample(
        seconds=message["seconds"],
        answers={
            Source(*source): Answers(codes=dict(codes), latencies_ms=dict(latencies), grpc=dict(grpc))
            for *source, codes, latencies, grpc in message["sources"]
        },
        losses=message["losses"],
        skipped=message["skipped"],
    )
