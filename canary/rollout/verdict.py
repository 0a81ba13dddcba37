"""From counts to a verdict, by the table of ROLLOUT section 6. What follows from a verdict is not decided here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from canary.rollout.model import (
    Answer,
    Builtin,
    Check,
    CheckResult,
    Counts,
    Limit,
    NoAnswer,
    Question,
    Result,
    Side,
    Value,
)
from canary.rollout.questions import has_counterpart, looked_at
from canary.rollout.windows import Window, Windows

FAST_BAD = 10
FAILED_BAD = 3
FAST_SHARE = 0.05
THIN_INTERVALS = 3
_SLACK = 1e-9
"""So that 1 - 99 / 100 allows exactly one bad request in a hundred."""

_GRAVITY = (Result.FAILED, Result.ENVIRONMENT, Result.ERROR, Result.NO_DATA, Result.THIN, Result.PASSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the verdicts depend on beside the counts. `may_thin`: there is a next step to look for evidence at."""

    min_requests: int
    interval: timedelta
    may_thin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One evaluation of all checks: its result, each check's, and a sentence with check, value and limit."""

    result: Result
    checks: tuple[CheckResult, ...]
    because: str
    at: datetime


def fast_share(allowed: float) -> float:
    """Return the bad share above which the fast rule strikes: max(5 %, min(10 times allowed, halfway to 100 %))."""
    return max(FAST_SHARE, min(10 * allowed, (allowed + 1) / 2))


def over(counts: Counts, share: float) -> bool:
    """Return whether the bad share is over `share` (0..1)."""
    return bool(counts.total) and counts.bad / (counts.total or 1) > share + _SLACK


def sound(answer: Answer | None) -> Answer:
    """Return the answer, or a NoAnswer in place of numbers that no counter can have."""
    match answer:
        case None:
            return NoAnswer(because="the question was not answered")
        case Counts(total=total, bad=bad):
            numbers = (total or 0.0, bad)
            if all(math.isfinite(number) and number >= 0 for number in numbers):
                return answer
            return NoAnswer(because=f"no counts of requests: total {total}, bad {bad}")
        case Value(value=value):
            if value is None or math.isfinite(value):
                return answer
            return NoAnswer(because=f"the query's value is {value}")
        case NoAnswer():
            return answer


def fails(check: Check, answer: Answer, min_requests: int) -> bool:
    """Return whether an answer alone is a failed evaluation of a check."""
    match answer:
        case Counts():
            allowed = check.allowed_bad_share
            enough = (answer.total or 0) >= min_requests or over(answer, fast_share(allowed))
            return over(answer, allowed) and answer.bad >= FAILED_BAD and enough
        case Value(value=value):
            return value is not None and violates(check, value)
        case NoAnswer():
            return False


def primary_fails(check: Check, answer: Answer) -> bool:
    """Return whether the primary is over the same limit, which takes the blame from the canary."""
    if isinstance(answer, Counts):
        return over(answer, check.allowed_bad_share) and answer.bad >= FAILED_BAD
    return fails(check, answer, 0)


def violates(check: Check, value: float) -> bool:
    """Return whether a value is on the wrong side of the limit; equal is not."""
    match check.side:
        case Limit.MIN:
            return value < check.limit
        case Limit.MAX:
            return value > check.limit


def fast(checks: Sequence[Check], answers: Mapping[Question, Answer], window: Window | None) -> Evaluation | None:
    """Return a fast failure (or environment, when the primary is over its limit too), None when there is none."""
    found = [result for check in checks if (result := _fast_one(check, answers, window)) is not None]
    if window is None or not found:
        return None
    return _gathered(found, window.end)


def _fast_one(check: Check, answers: Mapping[Question, Answer], window: Window | None) -> CheckResult | None:
    if window is None or check.builtin is None:
        return None
    canary = sound(answers.get(_ask(check, Side.CANARY, window)))
    if not isinstance(canary, Counts):
        return None
    if canary.bad < FAST_BAD or not over(canary, fast_share(check.allowed_bad_share)):
        return None
    excused = primary_fails(check, sound(answers.get(_ask(check, Side.PRIMARY, window))))
    result = Result.ENVIRONMENT if excused else Result.FAILED
    return _result(check, canary, result, window)


def evaluate(
    checks: Sequence[Check], answers: Mapping[Question, Answer], looked: Windows, rules: Rules
) -> Evaluation | None:
    """Return the evaluation of all checks; None when none is due or it was not asked for."""
    if looked.whole is None:
        return None
    for check in checks:
        if any(_ask(check, Side.CANARY, window) not in answers for window in looked_at(check, looked)):
            return None
    return _gathered([_one(check, answers, looked, rules) for check in checks], looked.whole.end)


def _one(check: Check, answers: Mapping[Question, Answer], looked: Windows, rules: Rules) -> CheckResult:
    stretches = looked_at(check, looked)
    found = [(window, sound(answers.get(_ask(check, Side.CANARY, window)))) for window in stretches]
    failing = [(window, answer) for window, answer in found if fails(check, answer, rules.min_requests)]
    for window, answer in failing:
        if not _excused(check, answers, window):
            return _result(check, answer, Result.FAILED, window)
    if failing:
        return _result(check, failing[0][1], Result.ENVIRONMENT, failing[0][0])
    for window, answer in found:
        if isinstance(answer, NoAnswer):
            return _result(check, answer, Result.ERROR, window)
    window, answer = found[0]
    primary = sound(answers.get(_ask(check, Side.PRIMARY, window)))
    return _result(check, answer, _quiet(answer, primary, window, rules), window)


def _quiet(canary: Answer, primary: Answer, window: Window, rules: Rules) -> Result:
    """Return the verdict on an answer that does not fail: enough evidence, too little, or none at all."""
    if isinstance(canary, Value):
        return Result.PASSED if canary.value is not None else Result.NO_DATA
    if not isinstance(canary, Counts):
        return Result.ERROR
    if canary.total is not None and canary.total >= rules.min_requests:
        return Result.PASSED
    long_enough = window.end - window.start >= THIN_INTERVALS * rules.interval
    primary_has_requests = isinstance(primary, Counts) and bool(primary.total)
    if long_enough and canary.bad == 0 and primary_has_requests and rules.may_thin:
        return Result.THIN
    return Result.NO_DATA


def primary_passes(checks: Sequence[Check], answers: Mapping[Question, Answer], window: Window) -> Evaluation | None:
    """Return the primary's own evaluation after an environment verdict; None when it was not asked for.

    PASSED only when each check that has a counterpart was answered and is within its limit.
    """
    results: list[CheckResult] = []
    for check in checks:
        if not has_counterpart(check):
            continue
        question = _ask(check, Side.PRIMARY, window)
        if question not in answers:
            return None
        results.append(_of_primary(check, sound(answers[question]), window))
    return _gathered(results, window.end)


def _of_primary(check: Check, answer: Answer, window: Window) -> CheckResult:
    match answer:
        case NoAnswer():
            return _result(check, answer, Result.ERROR, window)
        case Counts(total=total):
            quiet = Result.PASSED if total else Result.NO_DATA
        case Value(value=value):
            quiet = Result.PASSED if value is not None else Result.NO_DATA
    return _result(check, answer, Result.ENVIRONMENT if primary_fails(check, answer) else quiet, window)


def _excused(check: Check, answers: Mapping[Question, Answer], window: Window) -> bool:
    return has_counterpart(check) and primary_fails(check, sound(answers.get(_ask(check, Side.PRIMARY, window))))


def _ask(check: Check, side: Side, window: Window) -> Question:
    return Question(check=check.name, side=side, start=window.start, end=window.end)


def _gathered(results: Sequence[CheckResult], at: datetime) -> Evaluation:
    if not results:
        return Evaluation(result=Result.PASSED, checks=(), because="there is no check", at=at)
    worst = min(results, key=lambda result: _GRAVITY.index(result.verdict))
    because = "; ".join(result.because for result in results if result.verdict is worst.verdict)
    return Evaluation(result=worst.verdict, checks=tuple(results), because=because, at=at)


def _result(check: Check, answer: Answer, verdict: Result, window: Window) -> CheckResult:
    seconds = (window.end - window.start).total_seconds()
    value: float | None = None
    requests: int | None = None
    match answer:
        case Counts(total=None):
            requests, words = 0, f"{check.name}: no requests in {seconds:g} s"
        case Counts():
            total, bad = answer.total or 0.0, answer.bad
            value, requests = _value(check, total, bad, answer.quantile), round(total)
            words = f"{check.name} {_shown(check, value)}: {round(bad)} bad of {round(total)} requests in {seconds:g} s"
        case Value():
            value = answer.value
            words = f"{check.name} {_shown(check, value)}"
        case NoAnswer(because=because):
            words = f"{check.name}: {because}"
    return CheckResult(
        name=check.name,
        value=value,
        limit=check.limit,
        requests=requests,
        verdict=verdict,
        at=window.end,
        because=words,
    )


def _value(check: Check, total: float, bad: float, quantile: float | None) -> float | None:
    if check.builtin is not Builtin.SUCCESS_RATE:
        return quantile
    return 100 * (1 - bad / total) if total else None


def _shown(check: Check, value: float | None) -> str:
    unit = {None: "", Builtin.SUCCESS_RATE: " %"}.get(check.builtin, " s")
    least = "at least" if check.side is Limit.MIN else "at most"
    return f"is {'unknown' if value is None else f'{value:.4g}{unit}'} ({least} {check.limit:g}{unit})"
