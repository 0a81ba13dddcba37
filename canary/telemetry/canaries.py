"""The series of each canary: how it stood when it was last looked at, and what was counted since this process leads.

Counts begin at 0 with the first sight of a canary, so that a new leader counts nothing twice. The text of a canary is
made anew only when it was looked at again: a scrape of a thousand would otherwise keep the loop from its work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from canary.rollout.model import Check, CheckResult, Limit, Outcome, Past, Result, Status, Truth
from canary.rollout.phases import Phase
from canary.telemetry import catalogue
from canary.telemetry.families import head, lines

Key = tuple[str, str]
"""Namespace and name."""


_End = tuple[str, datetime, Outcome]
"""What makes two ends the same: revision, begin and outcome. The words are cut when they are stored."""


@dataclass(slots=True)
class _Known:
    """One canary. `status` is None while it cannot be read; `judged` has the newest evaluation of each check.

    `plan` is what `checks` was made from; `text` has its lines of each row, None when it changed since.
    """

    status: Status | None = None
    history: frozenset[_End] = frozenset()
    plan: Sequence[Check] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    judged: dict[str, tuple[datetime, Result]] = field(default_factory=dict)
    ended: Counter[Outcome] = field(default_factory=Counter)
    verdicts: Counter[tuple[str, Result]] = field(default_factory=Counter)
    text: tuple[str, ...] | None = None


class Canaries:
    """All canaries that are known to this leader. `ended` is told of each rollout whose end is seen."""

    def __init__(self, ended: Callable[[Past], None]) -> None:
        self._ended = ended
        self._known: dict[Key, _Known] = {}

    def seen(self, key: Key, status: Status | None, checks: Sequence[Check]) -> None:
        """Take how a canary stands and what its plan checks; None for a status that cannot be read."""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known()
            if status is not None:
                known.history, known.judged = frozenset(map(_end, status.history)), _judged(status.checks)
        elif known.status is status and known.plan is checks:
            return
        known.plan = checks
        known.status, known.text = status, None
        if status is not None:
            self._count(known, status)
            self._keep(known, checks)

    def gone(self, key: Key) -> None:
        """Forget a canary, and with it its series."""
        self._known.pop(key, None)

    def forget(self) -> None:
        """Forget all of them."""
        self._known.clear()

    def _count(self, known: _Known, status: Status) -> None:
        for past in status.history:
            if _end(past) not in known.history:
                known.ended[past.outcome] += 1
                self._ended(past)
        known.history = frozenset(map(_end, status.history))
        for name, newest in _judged(status.checks).items():
            if known.judged.get(name) != newest:
                known.judged[name] = newest
                known.verdicts[name, newest[1]] += 1

    def _keep(self, known: _Known, checks: Sequence[Check]) -> None:
        """Take the checks of the plan; what was counted of others goes, so that edits leave no series behind."""
        known.checks = {check.name: check for check in checks}
        for counted in [each for each in known.verdicts if each[0] not in known.checks]:
            del known.verdicts[counted]
        for name in known.judged.keys() - known.checks.keys():
            del known.judged[name]

    def text(self) -> str:
        """Return the series of all canaries as they are now, in the text format."""
        of_each = [self._text(key, known) for key, known in self._known.items()]
        of_rows = (head(row) + "".join(text[number] for text in of_each) for number, row in enumerate(_ROWS))
        return "".join(of_rows)

    def _text(self, key: Key, known: _Known) -> tuple[str, ...]:
        if known.text is None:
            known.text = tuple(
                lines(row, (((*key, *more), value) for more, value in samples(known))) for row, samples in _ROWS.items()
            )
        return known.text


def _end(past: Past) -> _End:
    return past.revision, past.started_at, past.outcome


def _judged(checks: Sequence[CheckResult]) -> dict[str, tuple[datetime, Result]]:
    return {result.name: (result.at, result.verdict) for result in checks}


Samples = Iterator[tuple[tuple[str, ...], float]]


def _phase(known: _Known) -> Samples:
    if known.status is not None:
        yield from (((phase.value,), float(phase is known.status.phase)) for phase in Phase)


def _ready(known: _Known) -> Samples:
    conditions = known.status.conditions if known.status is not None else ()
    yield (), float(any(each.type == "Ready" and each.status is Truth.TRUE for each in conditions))


def _of_status(value: Callable[[Status], float | None]) -> Callable[[_Known], Samples]:
    def samples(known: _Known) -> Samples:
        number = None if known.status is None else value(known.status)
        if number is not None:
            yield (), number

    return samples


def _observed(status: Status) -> float | None:
    return None if status.observed_weight is None else status.observed_weight / 100


def _started(status: Status) -> float | None:
    running = status.started_at is not None and status.memory.outcome is None
    return status.started_at.timestamp() if status.started_at is not None and running else None


def _transition(status: Status) -> float | None:
    return status.last_transition_at.timestamp() if status.last_transition_at is not None else None


def _rollouts(known: _Known) -> Samples:
    yield from (((outcome.value,), float(known.ended[outcome])) for outcome in Outcome)


def _values(known: _Known) -> Iterator[tuple[Check, float]]:
    for result in known.status.checks if known.status is not None else ():
        if result.name in known.checks and result.value is not None:
            yield known.checks[result.name], result.value


def _margins(known: _Known) -> Samples:
    for check, value in _values(known):
        yield (check.name,), value - check.limit if check.side is Limit.MIN else check.limit - value


def _verdicts(known: _Known) -> Samples:
    for name in known.checks:
        yield from (((name, verdict.value), float(known.verdicts[name, verdict])) for verdict in Result)


_ROWS: Mapping[catalogue.Metric, Callable[[_Known], Samples]] = {
    catalogue.PHASE: _phase,
    catalogue.READY: _ready,
    catalogue.WEIGHT: _of_status(lambda status: status.weight / 100),
    catalogue.OBSERVED_WEIGHT: _of_status(_observed),
    catalogue.FAILED: _of_status(lambda status: float(status.failed_checks)),
    catalogue.STARTED: _of_status(_started),
    catalogue.TRANSITION: _of_status(_transition),
    catalogue.ROLLOUTS: _rollouts,
    catalogue.CHECK_VALUE: lambda known: (((check.name,), value) for check, value in _values(known)),
    catalogue.CHECK_LIMIT: lambda known: (((check.name,), check.limit) for check in known.checks.values()),
    catalogue.CHECK_MARGIN: _margins,
    catalogue.CHECK_VERDICTS: _verdicts,
}
