"""What each answer of Prometheus, and of what may stand in its place, means to the controller."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from canary.clients.prometheus import Prometheus
from canary.clients.prometheus_http import MAX_ANSWER, PrometheusAccess
from canary.clients.retry import Patience
from canary.errors import CanaryError, ConfigError, Rejected, Unavailable
from canary.ports import Metrics, Series
from tests.clients.raw_server import Reply, raw_server, result_of, saying, vector

AT = datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
ONCE = Patience(tries=1, within=timedelta(seconds=20))


async def answered(reply: Reply, query: str = "m") -> Sequence[Series]:
    async with raw_server(reply) as server, Prometheus(PrometheusAccess(url=server.url), patience=ONCE) as prometheus:
        metrics: Metrics = prometheus
        try:
            return await metrics.query(query, AT)
        except CanaryError as err:
            raise type(err)(str(err).replace(server.url, "URL")) from err


async def test_a_vector_keeps_its_labels_without_the_name_and_its_values() -> None:
    reply = vector(({"__name__": "m", "pod": "a"}, "1.5"), ({}, "NaN"), ({"x": "y"}, "+Inf"), ({"x": "z"}, "-Inf"))
    first, second, *rest = await answered(reply)
    assert first == Series({"pod": "a"}, 1.5)
    assert (second.labels, math.isnan(second.value)) == ({}, True)
    assert rest == [Series({"x": "y"}, math.inf), Series({"x": "z"}, -math.inf)]


async def test_an_empty_vector_is_no_series() -> None:
    assert await answered(vector()) == []


async def test_a_scalar_is_one_sample_without_labels() -> None:
    assert await answered(result_of("scalar", [1767225600, "3.5"])) == [Series({}, 3.5)]


async def test_the_query_and_its_time_arrive_as_they_are() -> None:
    async with raw_server(vector()) as server, Prometheus(PrometheusAccess(url=f"{server.url}/pre/fix/")) as prometheus:
        for query in ("sum(rate(m{a=~'x+y&z'}[1m]))", "m" * 3000):
            await prometheus.query(query, AT)
    assert [(asked.method, asked.path, dict(asked.params)) for asked in server.asked] == [
        ("GET", "/pre/fix/api/v1/query", {"query": "sum(rate(m{a=~'x+y&z'}[1m]))", "time": "1767225600.123"}),
        ("POST", "/pre/fix/api/v1/query", {"query": "m" * 3000, "time": "1767225600.123"}),
    ]


async def test_warnings_are_logged_and_the_result_is_used() -> None:
    with capture_logs() as logs:
        found = await answered(result_of("vector", [{"metric": {}, "value": [1, "2"]}], warnings=["half the data"]))
    assert found == [Series({}, 2.0)]
    assert [(log["event"], log["log_level"], log["warning"]) for log in logs] == [
        ("prometheus_warned", "warning", "half the data")
    ]


def refusal(kind: str, error: str, status: str) -> Reply:
    return saying(f'{{"status":"error","errorType":"{kind}","error":"{error}"}}', status=status)


HISTOGRAM = [{"metric": {}, "histogram": [1, {"count": "1", "sum": "1", "buckets": []}]}]
LOGIN = saying("<html>Log in</html>", kind="text/html; charset=utf-8")

REJECTED = [
    (
        refusal("bad_data", "1:2: parse error: unexpected end", "400 Bad Request"),
        "Prometheus at URL refuses the query `m`: bad_data: 1:2: parse error: unexpected end",
    ),
    (
        refusal("execution", "many-to-many matching not allowed", "422 Unprocessable Entity"),
        "Prometheus at URL refuses the query `m`: execution: many-to-many matching not allowed",
    ),
    (
        result_of("matrix", []),
        "Prometheus at URL answers the query `m` with a matrix: a check needs one number, so take away the outer range"
        " or put a function around it",
    ),
    (
        result_of("string", [1, "x"]),
        "Prometheus at URL answers the query `m` with a string: a check needs one number, so take away the outer range"
        " or put a function around it",
    ),
    (
        result_of("vector", HISTOGRAM),
        "Prometheus at URL answers with a native histogram: a check needs a number, so put histogram_count,"
        " histogram_sum or histogram_quantile around it",
    ),
]

UNAVAILABLE = [
    (
        refusal("timeout", "query timed out", "503 Service Unavailable"),
        "Prometheus at URL failed (timeout: query timed out): check its health",
    ),
    (
        refusal("internal", "disk", "500 Internal Server Error"),
        "Prometheus at URL failed (internal: disk): check its health",
    ),
    (
        saying("<html>Bad Gateway</html>", status="502 Bad Gateway", kind="text/html"),
        "Prometheus at URL failed (HTTP 502, text/html): check it and what stands before it",
    ),
    (
        saying('{"status":"success","data":{"resul'),
        "the answer of Prometheus at URL is cut short or broken (HTTP 200, application/json): check its proxy",
    ),
    (
        saying('{"status":"success"', length=500),
        "the answer of Prometheus at URL broke off (IncompleteRead(19 bytes read, 481 more expected)): check its proxy",
    ),
    (
        saying('{"status":"maybe"}'),
        "the answer of Prometheus at URL is cut short or broken (HTTP 200, application/json): check its proxy",
    ),
    (
        saying("[]"),
        "the answer of Prometheus at URL is cut short or broken (HTTP 200, application/json): check its proxy",
    ),
    (
        saying("", status="429 Too Many Requests", headers="Retry-After: 7\r\n"),
        "Prometheus at URL asks to wait (HTTP 429): lower the load",
    ),
]

MISPLACED = [
    (
        LOGIN,
        "what answers at URL is not Prometheus's API (HTTP 200, text/html): check host, port and path prefix of"
        " --prometheus-url",
    ),
    (
        saying("404 page not found", status="404 Not Found", kind="text/plain"),
        "what answers at URL is not Prometheus's API (HTTP 404, text/plain): check host, port and path prefix of"
        " --prometheus-url",
    ),
    (
        saying("", status="302 Found", headers="Location: https://login.example/?state=secret\r\n"),
        "Prometheus at URL redirects to 'https://login.example/': set --prometheus-url to its own address",
    ),
    (
        saying("Unauthorized", status="401 Unauthorized", kind="text/plain"),
        "Prometheus at URL refuses our credentials (HTTP 401): check --prometheus-token-file or --prometheus-user",
    ),
    (
        saying("", status="403 Forbidden"),
        "Prometheus at URL refuses our credentials (HTTP 403): check --prometheus-token-file or --prometheus-user",
    ),
    (
        refusal("not_found", "unknown endpoint", "404 Not Found"),
        "Prometheus at URL does not know its own API (not_found: unknown endpoint): check --prometheus-url",
    ),
    (
        result_of("surprise", []),
        "the answer of Prometheus at URL has no result of a known type: check what stands before it",
    ),
    (
        result_of("vector", [{"metric": {}, "value": [1]}]),
        "a sample in the answer of Prometheus at URL has an unknown form (IndexError('list index out of range'))",
    ),
    (
        saying(b" " * (MAX_ANSWER + 1)),
        "the answer of Prometheus at URL is over 8 MiB: narrow the query",
    ),
]


def numbered(cases: Sequence[tuple[Reply, str]]) -> Sequence[Any]:
    return [pytest.param(*case, id=f"{number} {case[1][:60]}") for number, case in enumerate(cases)]


@pytest.mark.parametrize(("reply", "message"), numbered(REJECTED))
async def test_a_query_that_is_refused_or_gives_no_number_is_rejected(reply: Reply, message: str) -> None:
    with pytest.raises(Rejected) as caught:
        await answered(reply)
    assert str(caught.value) == message


@pytest.mark.parametrize(("reply", "message"), numbered(UNAVAILABLE + MISPLACED))
async def test_no_usable_answer_is_unavailable(reply: Reply, message: str) -> None:
    with pytest.raises(Unavailable) as caught:
        await answered(reply)
    assert str(caught.value) == message


async def test_a_wait_that_prometheus_asks_for_is_kept() -> None:
    reply = saying("", status="429 Too Many Requests", headers="Retry-After: 7\r\n")
    async with raw_server(reply) as server, Prometheus(PrometheusAccess(url=server.url), patience=ONCE) as prometheus:
        with pytest.raises(Unavailable) as caught:
            await prometheus.query("m", AT)
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(("reply", "message"), numbered(MISPLACED))
async def test_what_another_try_does_not_mend_is_asked_once(reply: Reply, message: str) -> None:
    async with raw_server(reply) as server, Prometheus(PrometheusAccess(url=server.url)) as prometheus:
        with pytest.raises(Unavailable) as caught:
            await prometheus.query("m", AT)
    assert (len(server.asked), str(caught.value).replace(server.url, "URL")) == (1, message)


async def test_a_passing_failure_is_tried_again() -> None:
    replies = iter([saying("", status="503 Service Unavailable"), vector(({}, "1"))])

    async def next_reply(asked: object, writer: object) -> None:
        await next(replies)(asked, writer)  # type: ignore[arg-type]

    async with raw_server(next_reply) as server, Prometheus(PrometheusAccess(url=server.url)) as prometheus:
        assert await prometheus.query("m", AT) == [Series({}, 1.0)]


@pytest.mark.parametrize(("reply", "message"), numbered([MISPLACED[0], MISPLACED[3], REJECTED[0]]))
async def test_the_check_at_the_start_calls_it_a_fault_of_the_settings(reply: Reply, message: str) -> None:
    async with raw_server(reply) as server, Prometheus(PrometheusAccess(url=server.url)) as prometheus:
        with pytest.raises(ConfigError) as caught:
            await prometheus.check()
    assert str(caught.value).replace(server.url, "URL") == message.replace("`m`", "`vector(1)`")


async def test_the_check_at_the_start_passes_when_prometheus_computes() -> None:
    async with raw_server(vector(({}, "1"))) as server, Prometheus(PrometheusAccess(url=server.url)) as prometheus:
        await prometheus.check()
    assert [dict(asked.params) for asked in server.asked] == [{"query": "vector(1)"}]


async def test_the_check_at_the_start_refuses_what_answers_without_computing() -> None:
    async with raw_server(vector()) as server, Prometheus(PrometheusAccess(url=server.url)) as prometheus:
        with pytest.raises(ConfigError, match="does not compute like Prometheus"):
            await prometheus.check()
