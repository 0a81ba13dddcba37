"""Random samples for every check: an answer in bounded words, and a verdict that never passes on no evidence."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.controller.grouping import Grouper, Growth
from canary.controller.measure import Measurement, answer
from canary.errors import Rejected, Unavailable
from canary.ports import Series
from canary.rollout.model import Counts, NoAnswer, Question, Result, Side, Status, Value
from canary.rollout.verdict import Rules, evaluate
from canary.rollout.windows import Window, Windows
from canary.spec.status import LONGEST_MESSAGE, status_to_json
from meshes.istio import Istio
from tests.controller.test_measure import P99, SUBJECTS, SUCCESS, lag, plan
from tests.fuzz.counts import fuzzed
from tests.fuzz.values import NUMBERS, TEXTS

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
CHECKS = (SUCCESS, P99, lag("sum(lag)"))
RULES = Rules(min_requests=10, interval=timedelta(minutes=1), may_thin=True)
WINDOW = Window(start=START, end=END)

VALUES = st.one_of(st.floats(), st.floats(0, 1000), NUMBERS.filter(lambda number: abs(number) < 1e300).map(float))
EDGES = st.one_of(st.sampled_from(["0.1", "100", "250", "+Inf", "-Inf", "NaN", "1e999", ""]), TEXTS)
LABELS: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}), EDGES.map(lambda edge: {"le": edge}), st.dictionaries(TEXTS, TEXTS, max_size=3)
)
SAMPLES = st.lists(st.builds(Series, LABELS, VALUES), max_size=4)
FAILURES = st.builds(lambda kind, text: kind(text), st.sampled_from([Unavailable, Rejected]), TEXTS)


class Says:
    """Prometheus, and what groups its questions: every one gets the next of these answers."""

    def __init__(self, said: Sequence[Sequence[Series] | Exception]) -> None:
        self._said = list(said)

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        found = self._said.pop() if self._said else []
        if isinstance(found, Exception):
            raise found
        return found

    async def growth(self, asked: Growth) -> Sequence[Series]:
        return await self.query("", asked.end)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as made:
        yield made


@fuzzed
@given(st.lists(st.one_of(SAMPLES, SAMPLES, FAILURES), min_size=8, max_size=8))
def test_any_samples_are_a_verdict_in_bounded_words(
    runner: asyncio.Runner, said: list[Sequence[Series] | Exception]
) -> None:
    says = Says(said)
    of = Measurement(plan=plan(*CHECKS), mesh=Istio(), metrics=says, grouper=cast(Grouper, says), subjects=SUBJECTS)
    asked = tuple(Question(check=check.name, side=side, start=START, end=END) for check in CHECKS for side in Side)
    answers = runner.run(answer(asked, of))
    assert all(len(each.because) <= 700 for each in answers.values() if isinstance(each, NoAnswer))

    found = evaluate(CHECKS, answers, Windows(whole=WINDOW, last=WINDOW), RULES)
    assert found is not None
    for result, check in zip(found.checks, CHECKS, strict=True):
        given = answers[Question(check=check.name, side=Side.CANARY, start=START, end=END)]
        if result.verdict is Result.PASSED:
            assert isinstance(given, Counts | Value)
            assert _is_evidence(given)
    stored = status_to_json(Status(checks=found.checks, message=found.because))
    assert len(json.dumps(stored, allow_nan=False)) < 20 * LONGEST_MESSAGE


def _is_evidence(found: Counts | Value) -> bool:
    number = found.total if isinstance(found, Counts) else found.value
    return number is not None and math.isfinite(number)
