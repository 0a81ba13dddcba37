"""Questions about many workloads in one query: the answers are those of the single queries, whatever the series."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.controller import grouping
from canary.controller.grouping import Counted, Grouper, Growth
from canary.errors import CanaryError, Rejected, Unavailable
from canary.ports import Series
from meshes.contract import AppProtocol, Counters, Histogram, Workload
from meshes.istio import Istio
from tests.controller.promql_metrics import PromQL, scrape

END = 12
NAMES = ("checkout", "checkout-primary", "check.ut", "checkoutx")
NAMESPACES = ("shop", "shop-2")
ISTIO = Istio()


def workload(name: str, namespace: str = "shop", protocol: AppProtocol = AppProtocol.HTTP) -> Workload:
    return Workload(namespace=namespace, deployment=name, service=name, pods=f"{name}-.+", port=8080, protocol=protocol)


def growth(of: Workload, counted: Counted = Counted.TOTAL, *, scrapes: int = 4, mesh: Any = ISTIO) -> Growth:
    return Growth(mesh=mesh, workload=of, counted=counted, start=scrape(END - scrapes), end=scrape(END))


def growth_by(asked: Growth, mesh: Any) -> Growth:
    return replace(asked, mesh=mesh)


class Ungrouped:
    """Istio's adapter without the methods of `Grouping`."""

    name = "ungrouped"

    def requests(self, of: Workload) -> Counters:
        return ISTIO.requests(of)

    def latency(self, of: Workload) -> Histogram:
        return ISTIO.latency(of)


def labels(name: str, namespace: str, **more: str) -> dict[str, str]:
    return {
        "reporter": "destination",
        "destination_workload_namespace": namespace,
        "destination_workload": name,
        "request_protocol": "http",
        **more,
    }


def samples(metrics: PromQL, name: str, namespace: str = "shop", *, first: int = 0, step: float = 1.0) -> None:
    counted = [step * (turn + 1) for turn in range(END + 1 - first)]
    metrics.samples("istio_requests_total", labels(name, namespace, response_code="200"), first, counted)


async def ask(metrics: Any, asked: Sequence[Growth]) -> list[Sequence[Series] | CanaryError]:
    grouper = Grouper(metrics)

    async def one(question: Growth) -> Sequence[Series] | CanaryError:
        try:
            return await grouper.growth(question)
        except CanaryError as error:
            return error

    return list(await asyncio.gather(*(one(question) for question in asked)))


def plainly(answers: Sequence[Sequence[Series] | CanaryError]) -> list[Any]:
    """Answers as values that compare: samples in any order, NaN equal to itself."""
    return [
        str(answer)
        if isinstance(answer, CanaryError)
        else sorted((sorted(one.labels.items()), "nan" if math.isnan(one.value) else one.value) for one in answer)
        for answer in answers
    ]


COUNTERS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(NAMESPACES),
        st.sampled_from(("destination", "waypoint", "source")),
        st.sampled_from(("200", "404", "503")),
        st.sampled_from(("http", "grpc")),
        st.sampled_from(("100", "250", "+Inf")),
        st.integers(0, END),
        st.lists(st.sampled_from((0.0, 1.0, 2.5, 7.0, math.nan)), min_size=1, max_size=END),
    ),
    max_size=12,
)
ASKED = st.lists(
    st.builds(
        growth,
        st.builds(workload, st.sampled_from(NAMES), st.sampled_from(NAMESPACES), st.sampled_from(AppProtocol)),
        st.sampled_from(Counted),
        scrapes=st.sampled_from((2, 4, 8)),
    ),
    min_size=1,
    max_size=16,
)


def stored(counters: list[Any]) -> PromQL:
    """Metrics with these series; steps add up, a NaN stays one, and a series may begin and end anywhere."""
    metrics = PromQL()
    seen = set()
    for name, namespace, reporter, code, protocol, le, first, steps in counters:
        series = (name, namespace, reporter, code, protocol, le)
        if series in seen:
            continue
        seen.add(series)
        fields = {"reporter": reporter, "response_code": code, "request_protocol": protocol}
        total, values = 0.0, []
        for step in steps:
            total = 0.0 if step == 7.0 else total + (0.0 if math.isnan(step) else step)  # 7 is a reset
            values.append(math.nan if math.isnan(step) else total)
        told = labels(name, namespace, **fields)
        metrics.samples("istio_requests_total", {**told, "le_of": le, "grpc_response_status": code[0]}, first, values)
        metrics.samples("istio_request_duration_milliseconds_bucket", {**told, "le": le}, first, values)
    return metrics


@settings(max_examples=150, deadline=None)
@given(counters=COUNTERS, asked=ASKED)
def test_grouped_answers_are_those_of_the_single_queries(counters: list[Any], asked: list[Growth]) -> None:
    async def both() -> None:
        grouped, single = stored(counters), stored(counters)
        together = await ask(grouped, asked)
        alone = await ask(single, [growth_by(one, Ungrouped()) for one in asked])
        assert plainly(together) == plainly(alone)
        assert len(grouped.asked) <= len({(one.counted, one.start, one.workload.protocol) for one in asked})

    gather, grouping.GATHER_S = grouping.GATHER_S, 0.0
    try:
        asyncio.run(both())
    finally:
        grouping.GATHER_S = gather


@pytest.mark.looptime
async def test_what_falls_due_within_a_moment_is_one_query() -> None:
    metrics = PromQL()
    names = [f"app-{number}" for number in range(40)]
    for number, name in enumerate(names):
        samples(metrics, name, step=number)
    answers = await ask(metrics, [growth(workload(name)) for name in names])
    assert [one[0].value for one in answers if not isinstance(one, CanaryError)] == [4.0 * n for n in range(40)]
    assert len(metrics.asked) == 1


@pytest.mark.looptime
async def test_what_falls_due_later_is_another_query() -> None:
    metrics = PromQL()
    grouper = Grouper(metrics)
    first = asyncio.create_task(grouper.growth(growth(workload("checkout"))))
    await asyncio.sleep(2 * grouping.GATHER_S)
    await grouper.growth(growth(workload("cart")))
    await first
    assert len(metrics.asked) == 2


@pytest.mark.looptime
@pytest.mark.parametrize("other", [{"scrapes": 5}, {"counted": Counted.BAD}, {"mesh": Ungrouped()}])
async def test_other_windows_counters_and_adapters_are_other_queries(other: dict[str, Any]) -> None:
    metrics = PromQL()
    await ask(metrics, [growth(workload("checkout")), growth(workload("cart"), **other)])
    assert len(metrics.asked) == 2


@pytest.mark.looptime
async def test_no_data_of_one_stays_no_data_beside_others() -> None:
    metrics = PromQL()
    samples(metrics, "checkout")
    answers = await ask(metrics, [growth(workload("checkout")), growth(workload("cart"))])
    assert answers == [[Series({}, 4.0)], []]


@pytest.mark.looptime
async def test_queries_have_bounded_length_and_all_are_answered() -> None:
    metrics = PromQL()
    long = [f"{'long-' * 10}{number}" for number in range(2 * grouping.MOST + 1)]
    for name in long:
        samples(metrics, name)
    answers = await ask(metrics, [growth(workload(name)) for name in long])
    assert answers == [[Series({}, 4.0)]] * len(long)
    assert max(len(promql) for promql, _ in metrics.asked) <= grouping.LONGEST
    assert 3 <= len(metrics.asked) <= 12


class Strict(PromQL):
    """Refuses every query that names the odd workload."""

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        found = await super().query(promql, at)
        if "odd" in promql:
            raise Rejected("Prometheus refuses: too many samples")
        return found


@pytest.mark.looptime
async def test_one_odd_canary_blinds_no_other() -> None:
    metrics = Strict()
    for name in ("checkout", "odd", "cart"):
        samples(metrics, name)
    answers = await ask(metrics, [growth(workload(name)) for name in ("checkout", "odd", "cart")])
    assert plainly(answers) == [[([], 4.0)], "Prometheus refuses: too many samples", [([], 4.0)]]


@pytest.mark.looptime
async def test_those_who_wait_are_told_when_the_first_is_cancelled() -> None:
    grouper = Grouper(PromQL())
    first = asyncio.create_task(grouper.growth(growth(workload("checkout"))))
    await asyncio.sleep(0)
    second = asyncio.create_task(grouper.growth(growth(workload("cart"))))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(Unavailable, match="given up"):
        await second
    assert await grouper.growth(growth(workload("cart"))) == []


@pytest.mark.parametrize("protocol", list(AppProtocol))
def test_a_group_of_one_selects_as_the_single_query(protocol: AppProtocol) -> None:
    one = workload("check.ut", protocol=protocol)
    assert ISTIO.requests_of([one]) == ISTIO.requests(one)
    assert ISTIO.latency_of([one]) == ISTIO.latency(one)
