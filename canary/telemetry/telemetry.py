"""The metrics of one process: it is told what happens by the parts that it is handed to, and shown at /metrics.

The parts know it only as the small Protocols and callables that they own themselves.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from canary import __version__
from canary.errors import CanaryError, ConfigError, Conflict, NotFound, Rejected, Unavailable
from canary.ports import Request
from canary.probes import Answer
from canary.rollout.model import Check, Past, Status
from canary.telemetry import catalogue
from canary.telemetry.canaries import Canaries, Key
from canary.telemetry.families import Family, counter, family, histogram


class Queue(Protocol):
    """What is asked of a queue."""

    def __len__(self) -> int:
        """The number of keys that wait for a worker."""

    @property
    def oldest_s(self) -> float:
        """How long the first of them has waited, in seconds; 0 when none waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How this process stands in the election; `age_s` is None without a lease, `transitions` when none was read."""

    leads: bool
    age_s: float | None = None
    transitions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """How the messages to Slack stand: waiting now, the others since the start."""

    waiting: int
    sent: int
    refused: int
    dropped: int


class Telemetry:
    """Keeps the metrics of one process. Nothing here waits, and `requested` may be called from any thread."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._queues: Mapping[str, Queue] = {}
        self._standing: Callable[[], Standing] = lambda: Standing(leads=False)
        self._messages: Callable[[], Messages] | None = None
        self._tasks: Callable[[], int] | None = None
        self._canaries = Canaries(self._ended)
        self._pass_duration = histogram(catalogue.PASS_DURATION, self._registry)
        self._pass_errors = counter(catalogue.PASS_ERRORS, self._registry)
        self._requests = counter(catalogue.REQUESTS, self._registry)
        self._request_duration = histogram(catalogue.REQUEST_DURATION, self._registry)
        self._rollout_duration = histogram(catalogue.ROLLOUT_DURATION, self._registry)
        self._registry.register(_Sampled(self._sampled))
        ProcessCollector(registry=self._registry)

    # --- what is told ------------------------------------------------------------------------------------------------

    def seen(self, key: Key, status: Status | None, checks: Sequence[Check]) -> None:
        """Take how a canary stands and what its plan checks; None for a status that cannot be read."""
        self._canaries.seen(key, status, checks)

    def gone(self, key: Key) -> None:
        """Forget a canary, and with it its series."""
        self._canaries.gone(key)

    def passed(self, queue: str, seconds: float, failure: Exception | None) -> None:
        """Count one pass of a queue; `failure` is what it raised."""
        self._pass_duration.labels(queue).observe(seconds)
        if failure is not None:
            self._pass_errors.labels(queue, error_word(failure)).inc()

    def requested(self, request: Request) -> None:
        """Count one request to the outside."""
        self._requests.labels(request.peer.value, request.verb, request.resource, request.code).inc()
        self._request_duration.labels(request.peer.value, request.verb).observe(request.seconds)

    def _ended(self, past: Past) -> None:
        seconds = (past.ended_at - past.started_at).total_seconds()
        self._rollout_duration.labels(past.outcome.value).observe(seconds)

    # --- what is looked at -------------------------------------------------------------------------------------------

    def look_at_lease(self, standing: Callable[[], Standing]) -> None:
        """Ask at each scrape how this process stands in the election."""
        self._standing = standing

    def look_at_messages(self, messages: Callable[[], Messages]) -> None:
        """Ask at each scrape how the messages to Slack stand."""
        self._messages = messages

    def look_at_tasks(self, tasks: Callable[[], int]) -> None:
        """Ask at each scrape how many tasks the event loop has."""
        self._tasks = tasks

    @contextmanager
    def leading(self, queues: Mapping[str, Queue]) -> Iterator[None]:
        """Show the queues, and canaries, for as long as this process works; the next leader shows them after it.

        Errors of passes are 0 from the beginning: what appears with its first count is no increase to Prometheus.
        """
        self._queues = queues
        for name, (_, word) in product(queues, (*_WORDS, (Exception, BUG))):
            self._pass_errors.labels(name, word)
        try:
            yield
        finally:
            self._queues = {}
            self._canaries.forget()

    def page(self) -> Answer:
        """Return the metrics as Prometheus reads them (text format 0.0.4)."""
        text = generate_latest(_Plain(self._registry)).decode() + self._canaries.text()
        return Answer(True, text, CONTENT_TYPE_PLAIN_0_0_4)

    def _sampled(self) -> Iterator[Family]:
        standing = self._standing()
        yield _filled(catalogue.BUILD_INFO, ((__version__, platform.python_version()), 1.0))
        yield _filled(catalogue.LEADER, ((), float(standing.leads)))
        for row, known in ((catalogue.LEASE_AGE, standing.age_s), (catalogue.LEASE_TRANSITIONS, standing.transitions)):
            yield _filled(row, *([] if known is None else [((), known)]))
        yield _filled(catalogue.QUEUE_DEPTH, *(((name,), len(queue)) for name, queue in self._queues.items()))
        yield _filled(catalogue.QUEUE_AGE, *(((name,), queue.oldest_s) for name, queue in self._queues.items()))
        if self._tasks is not None:
            yield _filled(catalogue.TASKS, ((), self._tasks()))
        if self._messages is not None:
            yield from _of_messages(self._messages())


def error_word(failure: Exception) -> str:
    """Return the error's class in our family as a word, `bug` for what is not of it."""
    return next((word for kind, word in _WORDS if isinstance(failure, kind)), BUG)


BUG = "bug"
_WORDS: tuple[tuple[type[CanaryError], str], ...] = (
    (Conflict, "conflict"),
    (Unavailable, "unavailable"),
    (Rejected, "rejected"),
    (NotFound, "not_found"),
    (ConfigError, "config"),
    (CanaryError, "other"),
)


def _filled(row: catalogue.Metric, *samples: tuple[tuple[str, ...], float]) -> Family:
    made = family(row)
    for labels, value in samples:
        made.add_metric(labels, value)
    return made


def _of_messages(messages: Messages) -> Iterator[Family]:
    yield _filled(catalogue.SLACK_WAITING, ((), messages.waiting))
    counts = {"sent": messages.sent, "refused": messages.refused, "dropped": messages.dropped}
    yield _filled(catalogue.SLACK_MESSAGES, *(((outcome,), count) for outcome, count in counts.items()))


class _Sampled(Collector):
    """What is made anew at each scrape."""

    def __init__(self, make: Callable[[], Iterator[Family]]) -> None:
        self._make = make

    def collect(self) -> Iterator[Metric]:
        return self._make()


class _Plain(Collector):
    """A registry without the `_created` samples, which this text format would show as gauges of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
            yield metric
