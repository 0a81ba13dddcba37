"""What checks read of what serves now, from real PromQL over samples, and the limits that are proposed."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canary.forecast.reading import Asked, Port, Reading, Readings, latency_limit, readings, success_limit
from canary.rollout.model import Builtin, Check, Limit
from meshes import registry
from meshes.contract import AppProtocol
from tests.controller.promql_metrics import PromQL, scrape
from tests.rollout.builders import SUCCESS, a_plan

P99 = Check(name="latency-p99", builtin=Builtin.LATENCY_P99, side=Limit.MAX, limit=0.1)
QUEUE = Check(name="queue", query='queue{pod=~"{{ pods }}"}', side=Limit.MAX, limit=5)
LAST = 80
WINDOW = timedelta(minutes=15)


def asked(metrics: PromQL) -> Asked:
    port = Port(number=80, name="http", pod_port=8080, protocol=AppProtocol.HTTP)
    return Asked(mesh=registry.load("istio"), metrics=metrics, port=port, now=scrape(LAST), window=WINDOW)


def serving(deployment: str) -> PromQL:
    """150 requests a scrape, 1 in 100 of which fails; 98 in 100 take at most 50 ms, all at most 250 ms."""
    metrics = PromQL()
    labels = {
        "reporter": "destination",
        "destination_workload_namespace": "shop",
        "destination_workload": deployment,
        "request_protocol": "http",
    }
    total = [150.0 * turn for turn in range(LAST + 1)]
    metrics.samples("istio_requests_total", {**labels, "response_code": "200"}, 0, [0.99 * one for one in total])
    metrics.samples("istio_requests_total", {**labels, "response_code": "500"}, 0, [0.01 * one for one in total])
    for edge, share in (("25", 0.5), ("50", 0.98), ("100", 0.985), ("250", 1.0), ("+Inf", 1.0)):
        name = "istio_request_duration_milliseconds_bucket"
        metrics.samples(name, {**labels, "le": edge}, 0, [share * one for one in total])
    metrics.samples("queue", {"pod": f"{deployment}-5d9c7b8f6d-bcdfg"}, 0, [3.0] * (LAST + 1))
    return metrics


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-6)


def of(builtin: Builtin, **read: Any) -> Reading:
    """What a built-in check of the name of its kind reads."""
    return Reading(name=builtin.value, builtin=builtin, **read)


async def test_each_check_is_read_of_the_primary_and_a_limit_proposed() -> None:
    plan = a_plan(checks=(SUCCESS, P99, QUEUE))
    assert await readings(plan, asked(serving("checkout-primary"))) == Readings(
        deployment="checkout-primary",
        per_second=near(10.0),
        checks=(
            of(Builtin.SUCCESS_RATE, value=near(99.0), limit=99, passes=True, proposed=98.0, configured=True),
            of(Builtin.LATENCY_P99, value=near(0.15), limit=0.1, passes=False, proposed=0.25, configured=True),
            Reading(name="queue", value=3.0, limit=5, passes=True, proposed=None, configured=True),
            of(Builtin.LATENCY_P50, value=near(0.025), limit=None, passes=None, proposed=0.05, configured=False),
            of(Builtin.LATENCY_P95, value=near(0.0484375), limit=None, passes=None, proposed=0.05, configured=False),
        ),
    )


async def test_a_deployment_that_is_not_under_canary_yet_is_read_itself() -> None:
    found = await readings(a_plan(), asked(serving("checkout")))
    assert (found.deployment, found.per_second) == ("checkout", near(10.0))


async def test_a_mesh_whose_metrics_are_not_known_yet_is_said_by_each_check() -> None:
    of = replace(asked(serving("checkout")), mesh=registry.load("gateway-api"))
    found = await readings(a_plan(checks=(SUCCESS, P99, QUEUE)), of)
    assert (found.per_second, [one.value for one in found.checks]) == (None, [None, None, 3.0, None, None])
    for reading in found.checks[:2]:
        assert "no mesh has taken its route yet" in reading.because


async def test_without_requests_nothing_is_proposed() -> None:
    found = await readings(a_plan(checks=(SUCCESS,)), asked(PromQL()))
    assert found.per_second is None
    assert found.checks[0] == of(
        Builtin.SUCCESS_RATE, value=None, limit=99, passes=None, proposed=None, configured=True, because="no data"
    )
    assert [one.proposed for one in found.checks] == [None] * 4


@pytest.mark.parametrize(("share", "limit"), [(0.0, 99.9), (0.0001, 99.9), (0.002, 99.6), (0.01, 98.0), (0.7, 0.0)])
def test_a_proposed_success_rate_allows_twice_what_is_bad_now(share: float, limit: float) -> None:
    assert success_limit(share) == limit


@pytest.mark.parametrize(
    ("slow", "limit"),
    [(0.0, 0.1), (0.005, 0.1), (0.006, 0.5), (0.2, 0.5)],
)
def test_a_proposed_latency_is_an_edge_over_which_half_of_what_is_allowed_lies(slow: float, limit: float) -> None:
    buckets = ((0.1, 1000 * (1 - slow)), (0.5, 1000.0), (math.inf, 1000.0))
    assert latency_limit(0.99, buckets) == limit


def test_no_latency_is_proposed_where_requests_are_slower_than_every_edge() -> None:
    assert latency_limit(0.99, ((0.1, 1.0), (math.inf, 1000.0))) is None
    assert latency_limit(0.99, ()) is None
    assert replace(P99).builtin is Builtin.LATENCY_P99
