"""From questions to PromQL and back to counts, over real PromQL and Istio's own selectors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from canary.controller.grouping import Grouper
from canary.controller.measure import Measurement, Subject, answer, pods_of
from canary.errors import Unavailable
from canary.ports import Metrics, Series
from canary.rollout.model import (
    Answer,
    Builtin,
    Check,
    Counts,
    Limit,
    NoAnswer,
    Plan,
    Question,
    Side,
    Timing,
    Value,
)
from canary.spec.plan import plan_from
from meshes.contract import AppProtocol, Counters, Workload
from meshes.istio import Istio
from tests.builders import canary
from tests.controller.promql_metrics import PromQL, scrape

PIN = "6bbf8c7d9"
SUCCESS = Check(name="success-rate", builtin=Builtin.SUCCESS_RATE, limit=99)
P99 = Check(name="latency-p99", builtin=Builtin.LATENCY_P99, side=Limit.MAX, limit=0.2)
END = 100
WINDOW = (scrape(END - 4), scrape(END))


def lag(query: str) -> Check:
    return Check(name="lag", query=query, side=Limit.MAX, limit=10)


def plan(*checks: Check) -> Plan:
    return replace(plan_from(canary(), timing=Timing(), default_mesh="istio"), checks=checks)


def workload(deployment: str, service: str, pods: str) -> Workload:
    return Workload(
        namespace="shop", deployment=deployment, service=service, pods=pods, port=8080, protocol=AppProtocol.HTTP
    )


SUBJECTS = {
    Side.CANARY: Subject(workload=workload("checkout", "checkout-canary", pods_of("checkout", PIN)), revision=PIN),
    Side.PRIMARY: Subject(
        workload=workload("checkout-primary", "checkout", pods_of("checkout-primary", "")), revision="5d4f7c9b8"
    ),
}


def near(value: float) -> Any:
    return pytest.approx(value)


async def ask(
    metrics: Metrics, check: Check, side: Side = Side.CANARY, window: tuple[datetime, datetime] = WINDOW
) -> Answer:
    question = Question(check=check.name, side=side, start=window[0], end=window[1])
    measurement = Measurement(
        plan=plan(check), mesh=Istio(), metrics=metrics, grouper=Grouper(metrics), subjects=SUBJECTS
    )
    answers = await answer([question], measurement)
    assert list(answers) == [question]
    return answers[question]


def labels(code: str = "200", deployment: str = "checkout") -> dict[str, str]:
    return {
        "reporter": "destination",
        "destination_workload_namespace": "shop",
        "destination_workload": deployment,
        "response_code": code,
    }


def requests(metrics: PromQL, code: str, step: float, *, first: int = 0, deployment: str = "checkout") -> None:
    counted = [step * (turn + 1) for turn in range(END + 1 - first)]
    metrics.samples("istio_requests_total", labels(code, deployment), first, counted)


def bucket(metrics: PromQL, le: str, step: float) -> None:
    name = "istio_request_duration_milliseconds_bucket"
    metrics.samples(name, {**labels(), "le": le}, 0, [step * turn for turn in range(END + 1)])


@pytest.fixture
def metrics() -> PromQL:
    return PromQL()


async def test_requests_are_counted_with_the_failed_ones_among_them(metrics: PromQL) -> None:
    requests(metrics, "200", 9)
    requests(metrics, "503", 1)
    assert await ask(metrics, SUCCESS) == Counts(total=near(40), bad=near(4))


async def test_it_is_asked_at_the_end_of_the_window_and_over_its_whole_length(metrics: PromQL) -> None:
    requests(metrics, "200", 9)
    await ask(metrics, SUCCESS, window=(scrape(60), scrape(100)))
    assert {at for _, at in metrics.asked} == {scrape(100)}
    assert all("[600s]" in promql and "offset 600s" in promql for promql, _ in metrics.asked)


async def test_a_failure_whose_series_is_new_counts_from_0(metrics: PromQL) -> None:
    requests(metrics, "200", 10)
    requests(metrics, "500", 3, first=END - 1)
    assert await ask(metrics, SUCCESS) == Counts(total=near(46), bad=near(6))


async def test_no_failed_series_beside_a_total_means_that_none_failed(metrics: PromQL) -> None:
    requests(metrics, "200", 10)
    assert await ask(metrics, SUCCESS) == Counts(total=near(40), bad=0)


async def test_no_series_at_all_is_no_total(metrics: PromQL) -> None:
    requests(metrics, "200", 10, deployment="checkout-primary")
    assert await ask(metrics, SUCCESS) == Counts(total=None, bad=0)


async def test_the_primary_is_asked_for_its_own_requests(metrics: PromQL) -> None:
    requests(metrics, "200", 10)
    requests(metrics, "500", 2, deployment="checkout-primary")
    answered = await ask(metrics, SUCCESS, Side.PRIMARY)
    assert answered == Counts(total=near(8), bad=near(8))


async def test_a_window_shorter_than_a_second_is_asked_as_one_second(metrics: PromQL) -> None:
    await ask(metrics, SUCCESS, window=(scrape(1), scrape(1) + timedelta(milliseconds=200)))
    assert all("[1s]" in promql for promql, _ in metrics.asked)


async def test_latency_is_judged_at_the_bucket_of_the_limit_and_shows_the_quantile(metrics: PromQL) -> None:
    for le, step in (("100.0", 5.0), ("250.0", 9.0), ("500.0", 10.0), ("+Inf", 10.0)):
        bucket(metrics, le, step)
    # The limit is 200 ms: the next edge above it is 250. 99 % of 40 lie in the bucket from 250 to 500, at 0.9 of it.
    assert await ask(metrics, P99) == Counts(total=near(40), bad=near(4), quantile=near(0.475))


async def test_a_limit_that_is_an_edge_is_judged_there(metrics: PromQL) -> None:
    for le, step in (("100.0", 5.0), ("200.0", 8.0), ("250.0", 10.0), ("+Inf", 10.0)):
        bucket(metrics, le, step)
    answered = await ask(metrics, P99)
    assert isinstance(answered, Counts)
    assert answered.bad == near(8)


async def test_a_quantile_beyond_the_last_edge_is_shown_as_that_edge(metrics: PromQL) -> None:
    for le, step in (("250.0", 5.0), ("+Inf", 10.0)):
        bucket(metrics, le, step)
    assert await ask(metrics, P99) == Counts(total=near(40), bad=near(20), quantile=0.25)


async def test_no_bucket_at_or_above_the_limit_is_no_answer_and_names_the_edges(metrics: PromQL) -> None:
    for le, step in (("50.0", 5.0), ("100.0", 9.0), ("+Inf", 10.0)):
        bucket(metrics, le, step)
    assert await ask(metrics, P99) == NoAnswer(because="no bucket at or above 200 ms; the edges are 50, 100 ms")


async def test_a_histogram_without_its_last_bucket_is_no_answer(metrics: PromQL) -> None:
    bucket(metrics, "500.0", 5.0)
    answered = await ask(metrics, P99)
    assert answered == NoAnswer(because="a histogram that is not whole: {'le': '500.0'} 20")


async def test_a_histogram_without_observations_has_no_quantile(metrics: PromQL) -> None:
    for le in ("250.0", "+Inf"):
        bucket(metrics, le, 0.0)
    assert await ask(metrics, P99) == Counts(total=0, bad=0)


async def test_no_histogram_at_all_is_no_total(metrics: PromQL) -> None:
    assert await ask(metrics, P99) == Counts(total=None, bad=0)


async def test_a_query_of_the_users_is_filled_with_the_canarys_names(metrics: PromQL) -> None:
    query = 'sum(lag{ns="{{ namespace }}",d="{{ target }}",p=~"{{ pods }}",r="{{ revision }}"})'
    metrics.samples("lag", {"ns": "shop", "d": "checkout", "p": f"checkout-{PIN}-abcde", "r": PIN}, 99, [3.0, 7.0])
    metrics.samples("lag", {"ns": "shop", "d": "checkout", "p": "checkout-zzzzz-abcde", "r": PIN}, 99, [99.0, 99.0])
    assert await ask(metrics, lag(query)) == Value(value=None)
    metrics.samples("lag", {"ns": "shop", "d": "checkout", "p": f"checkout-{PIN}-bcd45", "r": PIN}, 99, [3.0, 8.0])
    assert await ask(metrics, lag(query)) == Value(value=8.0)


async def test_the_primarys_counterpart_of_a_query_has_the_primarys_names(metrics: PromQL) -> None:
    query = 'lag{d="{{ target }}",p=~"{{ pods }}",r="{{ revision }}",main="{{ primary }}",s="{{ service }}"}'
    await ask(metrics, lag(query), Side.PRIMARY)
    filled = (
        'lag{d="checkout-primary",p=~"checkout-primary-[bcdfghjklmnpqrstvwxz2456789]{1,10}-'
        '[bcdfghjklmnpqrstvwxz2456789]{5}",r="5d4f7c9b8",main="checkout-primary",s="checkout"}'
    )
    assert metrics.asked == [(filled, scrape(END))]


async def test_the_interval_of_a_query_is_the_window(metrics: PromQL) -> None:
    await ask(metrics, lag("sum(increase(lag[{{ interval }}]))"))
    assert metrics.asked == [("sum(increase(lag[1m]))", scrape(END))]


async def test_several_samples_are_no_answer_and_a_way_out_is_told(metrics: PromQL) -> None:
    for pod in ("a", "b"):
        metrics.samples("lag", {"pod": pod}, 99, [1.0, 1.0])
    because = "lag: its query gave 2 samples, one is needed; aggregate with sum"
    assert await ask(metrics, lag("lag")) == NoAnswer(because=because)


@pytest.mark.parametrize(("query", "value"), [("vector(0) / 0", "nan"), ("vector(1) / 0", "inf")])
async def test_what_is_no_number_is_no_answer(metrics: PromQL, query: str, value: str) -> None:
    assert await ask(metrics, lag(query)) == NoAnswer(because=f"lag: its query gave {value}")


async def test_a_query_that_prometheus_refuses_is_no_answer_with_its_words(metrics: PromQL) -> None:
    answered = await ask(metrics, lag("quantile_over_nothing(lag)"))
    assert isinstance(answered, NoAnswer)
    assert "quantile_over_nothing" in answered.because


class Down:
    """A Prometheus that does not answer."""

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        raise Unavailable("Prometheus at http://prometheus:9090 did not answer within 5 s")


@pytest.mark.parametrize("check", [SUCCESS, P99, lag("lag")], ids=lambda check: check.name)
async def test_a_prometheus_that_is_down_is_no_answer(check: Check) -> None:
    words = "Prometheus at http://prometheus:9090 did not answer within 5 s"
    assert await ask(Down(), check) == NoAnswer(because=words)


class Slow:
    """Counts how many queries are under way at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return [Series({}, 1.0)]


async def test_many_questions_are_asked_side_by_side_but_not_all_at_once() -> None:
    metrics = Slow()
    asked = [Question(check="lag", side=Side.CANARY, start=scrape(0), end=scrape(turn + 1)) for turn in range(60)]
    measurement = Measurement(
        plan=plan(lag("lag")), mesh=Istio(), metrics=metrics, grouper=Grouper(metrics), subjects=SUBJECTS
    )
    assert await answer(asked, measurement) == dict.fromkeys(asked, Value(value=1.0))
    assert metrics.most == 16


class _TwoNames(Istio):
    """A mesh that counts failures, and requests, under two names."""

    def requests(self, workload: Workload) -> Counters:
        found = super().requests(workload)
        failed = tuple(f'failed{{code="{code}"}}' for code in (5, 6, 7))
        return replace(found, also_total=('failed{code="9"}',), bad=failed[0], also_bad=failed[1:])


@pytest.mark.parametrize(
    ("answered", "counted", "total", "bad"),
    [
        (10, {"5": 3.0}, 40, 3),
        (10, {"6": 2.0}, 40, 2),
        (10, {"5": 3.0, "6": 2.0, "7": 1.0, "9": 6.0}, 46, 6),
        (10, {}, 40, 0),
        (0, {"9": 3.0}, 3, 0),
        (0, {}, None, 0),
    ],
)
async def test_what_is_counted_under_several_names_is_added_up(
    metrics: PromQL, answered: float, counted: dict[str, float], total: float | None, bad: float
) -> None:
    if answered:
        requests(metrics, "200", answered)
    for code, value in counted.items():
        metrics.samples("failed", {"code": code}, END, [value])
    question = Question(check=SUCCESS.name, side=Side.CANARY, start=WINDOW[0], end=WINDOW[1])
    measurement = Measurement(
        plan=plan(SUCCESS), mesh=_TwoNames(), metrics=metrics, grouper=Grouper(metrics), subjects=SUBJECTS
    )
    found = (await answer([question], measurement))[question]
    assert found == Counts(total=None if total is None else near(total), bad=near(bad))
