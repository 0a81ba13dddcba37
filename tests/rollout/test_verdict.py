"""Counts to verdicts: every row of the table of evaluations."""

from __future__ import annotations

from datetime import timedelta

import pytest

from canary.rollout.model import Answer, Builtin, Check, Counts, Limit, NoAnswer, Question, Result, Side, Value
from canary.rollout.verdict import Rules, evaluate, fast, fast_share, primary_passes
from canary.rollout.windows import Window, Windows
from tests.rollout.builders import SUCCESS, at

P95 = Check(name="p95", builtin=Builtin.LATENCY_P95, side=Limit.MAX, limit=0.5)
LAG = Check(name="lag", query='sum(lag{pod=~"{{ pods }}"})', side=Limit.MAX, limit=100)
GLOBAL = Check(name="queue", query="sum(queue)", side=Limit.MAX, limit=100)
RULES = Rules(min_requests=10, interval=timedelta(minutes=1), may_thin=True)
GOOD = Counts(total=1000.0, bad=0.0)
QUIET = Counts(total=None, bad=0.0)
DOWN = NoAnswer(because="Prometheus is down")


def counts(total: float | None, bad: float) -> Counts:
    return Counts(total=total, bad=bad)


def window(seconds: int) -> Windows:
    whole = Window(start=at(0), end=at(seconds))
    return Windows(whole=whole, last=Window(start=at(max(0, seconds - 60)), end=at(seconds)))


def answers(check: Check, looked: Windows, canary: Answer, primary: Answer) -> dict[Question, Answer]:
    found: dict[Question, Answer] = {}
    for one in (looked.whole, looked.last, looked.fast):
        if one is not None:
            for side, answer in ((Side.CANARY, canary), (Side.PRIMARY, primary)):
                found[Question(check=check.name, side=side, start=one.start, end=one.end)] = answer
    return found


@pytest.mark.parametrize(
    ("check", "canary", "primary", "seconds", "expected"),
    [
        pytest.param(SUCCESS, counts(1000, 10), GOOD, 60, Result.PASSED, id="exactly at the limit passes"),
        pytest.param(SUCCESS, counts(1000, 11), GOOD, 60, Result.FAILED, id="one over the limit fails"),
        pytest.param(SUCCESS, counts(20, 2), GOOD, 60, Result.PASSED, id="two bad are never enough"),
        pytest.param(SUCCESS, counts(20, 3), GOOD, 60, Result.FAILED, id="three bad are"),
        pytest.param(
            SUCCESS, counts(9, 3), GOOD, 60, Result.FAILED, id="few requests, but a share beyond the fast one"
        ),
        pytest.param(SUCCESS, counts(9, 0), GOOD, 60, Result.NO_DATA, id="too few requests"),
        pytest.param(SUCCESS, counts(10, 0), GOOD, 60, Result.PASSED, id="just enough requests"),
        pytest.param(SUCCESS, QUIET, GOOD, 60, Result.NO_DATA, id="no series is no data, not a pass"),
        pytest.param(SUCCESS, counts(9, 0), GOOD, 180, Result.THIN, id="too few for three intervals, none bad"),
        pytest.param(SUCCESS, counts(9, 0), GOOD, 179, Result.NO_DATA, id="not yet three intervals"),
        pytest.param(SUCCESS, counts(9, 1), GOOD, 180, Result.NO_DATA, id="one bad is not thin"),
        pytest.param(SUCCESS, QUIET, QUIET, 180, Result.NO_DATA, id="no requests at the primary either"),
        pytest.param(SUCCESS, QUIET, GOOD, 180, Result.THIN, id="no request reached the canary"),
        pytest.param(SUCCESS, counts(1000, 50), counts(1000, 50), 60, Result.ENVIRONMENT, id="the primary fails too"),
        pytest.param(SUCCESS, counts(1000, 50), counts(1000, 10), 60, Result.FAILED, id="the primary is at its limit"),
        pytest.param(SUCCESS, counts(1000, 50), counts(100, 2), 60, Result.FAILED, id="the primary has but two bad"),
        pytest.param(SUCCESS, counts(1000, 50), DOWN, 60, Result.FAILED, id="an unknown primary excuses nothing"),
        pytest.param(SUCCESS, DOWN, GOOD, 60, Result.ERROR, id="Prometheus is down"),
        pytest.param(SUCCESS, counts(float("nan"), 0), GOOD, 60, Result.ERROR, id="NaN requests"),
        pytest.param(SUCCESS, counts(100, float("inf")), GOOD, 60, Result.ERROR, id="infinitely many bad"),
        pytest.param(SUCCESS, counts(100, -1), GOOD, 60, Result.ERROR, id="fewer than no bad"),
        pytest.param(P95, counts(1000, 50), GOOD, 60, Result.PASSED, id="5 % slow is what a p95 allows"),
        pytest.param(P95, counts(1000, 60), GOOD, 60, Result.FAILED, id="6 % slow is not"),
        pytest.param(LAG, Value(value=100), Value(value=0), 60, Result.PASSED, id="own query at its limit"),
        pytest.param(LAG, Value(value=101), Value(value=0), 60, Result.FAILED, id="own query over its limit"),
        pytest.param(LAG, Value(value=101), Value(value=101), 60, Result.ENVIRONMENT, id="own query, primary too"),
        pytest.param(GLOBAL, Value(value=101), Value(value=101), 60, Result.FAILED, id="own query without counterpart"),
        pytest.param(LAG, Value(value=None), Value(value=0), 60, Result.NO_DATA, id="own query without a sample"),
        pytest.param(LAG, Value(value=float("nan")), Value(value=0), 60, Result.ERROR, id="own query says NaN"),
    ],
)
def test_one_check_is_judged_by_the_table(
    check: Check, canary: Answer, primary: Answer, seconds: int, expected: Result
) -> None:
    looked = window(seconds)

    found = evaluate((check,), answers(check, looked, canary, primary), looked, RULES)

    assert found is not None
    assert (found.result, [one.verdict for one in found.checks], found.at) == (expected, [expected], at(seconds))


def test_a_late_failure_in_a_long_step_is_not_diluted() -> None:
    looked = window(3600)
    assert looked.whole is not None
    assert looked.last is not None
    given = answers(SUCCESS, looked, counts(100_000, 100), GOOD)
    given[Question(check=SUCCESS.name, side=Side.CANARY, start=looked.last.start, end=looked.last.end)] = counts(
        1000, 50
    )

    found = evaluate((SUCCESS,), given, looked, RULES)

    assert found is not None
    assert found.result is Result.FAILED
    assert found.because == "success-rate is 95 % (at least 99 %): 50 bad of 1000 requests in 60 s"


def test_the_gravest_check_decides() -> None:
    looked = window(60)
    given = answers(SUCCESS, looked, counts(1000, 50), counts(1000, 50))
    given |= answers(LAG, looked, Value(value=500.0), Value(value=0.0))
    given |= answers(P95, looked, DOWN, GOOD)

    found = evaluate((P95, SUCCESS, LAG), given, looked, RULES)

    assert found is not None
    assert found.result is Result.FAILED
    assert [one.verdict for one in found.checks] == [Result.ERROR, Result.ENVIRONMENT, Result.FAILED]
    assert found.because == "lag is 500 (at most 100)"


def test_on_the_last_step_nothing_is_thin() -> None:
    looked = window(600)
    rules = Rules(min_requests=10, interval=timedelta(minutes=1), may_thin=False)

    found = evaluate((SUCCESS,), answers(SUCCESS, looked, counts(5, 0), GOOD), looked, rules)

    assert found is not None
    assert found.result is Result.NO_DATA


def test_what_was_not_asked_is_not_judged() -> None:
    assert evaluate((SUCCESS,), {}, window(60), RULES) is None


def test_without_checks_an_evaluation_passes() -> None:
    found = evaluate((), {}, window(60), RULES)

    assert found is not None
    assert (found.result, found.because) == (Result.PASSED, "there is no check")


@pytest.mark.parametrize(
    ("canary", "primary", "expected"),
    [
        pytest.param(counts(50, 10), GOOD, Result.FAILED, id="ten bad of fifty"),
        pytest.param(counts(50, 9), GOOD, None, id="nine bad are left to the evaluation"),
        pytest.param(counts(101, 10), GOOD, None, id="ten bad but not over a tenth"),
        pytest.param(counts(100, 10), GOOD, None, id="exactly a tenth"),
        pytest.param(counts(50, 10), counts(1000, 50), Result.ENVIRONMENT, id="the primary is over its limit too"),
        pytest.param(counts(50, 10), DOWN, Result.FAILED, id="an unknown primary excuses nothing"),
        pytest.param(DOWN, GOOD, None, id="no answer is no failure"),
        pytest.param(QUIET, GOOD, None, id="no requests are no failure"),
    ],
)
def test_the_fast_rule(canary: Answer, primary: Answer, expected: Result | None) -> None:
    looked = Windows(fast=Window(start=at(0), end=at(30)))

    found = fast((SUCCESS,), answers(SUCCESS, looked, canary, primary), looked.fast)

    assert (found.result if found else None) == expected


@pytest.mark.parametrize(
    ("allowed", "share"),
    [
        pytest.param(0.0, 0.05, id="never below 5 %"),
        pytest.param(0.01, 0.1, id="ten times the allowed"),
        pytest.param(0.05, 0.5, id="ten times a p95's"),
        pytest.param(0.5, 0.75, id="halfway for a p50"),
    ],
)
def test_the_fast_share_lies_between_its_bounds(allowed: float, share: float) -> None:
    assert fast_share(allowed) == pytest.approx(share)


@pytest.mark.parametrize(
    ("primary", "expected"),
    [
        pytest.param(GOOD, Result.PASSED, id="it passes"),
        pytest.param(counts(1000, 50), Result.ENVIRONMENT, id="it fails still"),
        pytest.param(QUIET, Result.NO_DATA, id="it has no requests"),
        pytest.param(DOWN, Result.ERROR, id="nobody knows"),
    ],
)
def test_the_primary_alone_after_an_environment_verdict(primary: Answer, expected: Result) -> None:
    looked = Windows(fast=Window(start=at(0), end=at(60)))
    assert looked.fast is not None

    found = primary_passes((SUCCESS, GLOBAL), answers(SUCCESS, looked, QUIET, primary), looked.fast)

    assert found is not None
    assert found.result is expected


def test_a_latency_shows_its_quantile_in_seconds() -> None:
    looked = window(60)
    slow = Counts(total=1000.0, bad=100.0, quantile=0.73)

    found = evaluate((P95,), answers(P95, looked, slow, GOOD), looked, RULES)

    assert found is not None
    assert (found.checks[0].value, found.checks[0].limit, found.checks[0].requests) == (0.73, 0.5, 1000)
    assert found.because == "p95 is 0.73 s (at most 0.5 s): 100 bad of 1000 requests in 60 s"
