"""Random answers in the place of Prometheus': samples, or an error of our family in bounded words; then a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.clients.prometheus import Prometheus
from canary.clients.prometheus_http import PrometheusAccess
from canary.clients.retry import Patience
from canary.errors import CanaryError, Rejected, Unavailable
from tests.fuzz.counts import fuzzed
from tests.fuzz.talker import Talker, answers, talker

AT = datetime(2026, 1, 1, tzinfo=UTC)
ONCE = Patience(tries=1, within=timedelta(seconds=20))
VECTOR = {
    "status": "success",
    "data": {
        "resultType": "vector",
        "result": [{"metric": {"__name__": "m", "pod": "a"}, "value": [1767225600.1, "1.5"]}] * 2,
    },
    "warnings": ["slow"],
}
SCALAR = {"status": "success", "data": {"resultType": "scalar", "result": [1767225600.1, "1.5"]}}
ERROR = {"status": "error", "errorType": "bad_data", "error": "parse error"}

server = pytest.fixture(scope="module")(talker)


@pytest.fixture(scope="module")
def prometheus(server: Talker) -> Iterator[Prometheus]:
    yield from server.keep(Prometheus(PrometheusAccess(url=server.url, answer=10), patience=ONCE))


@fuzzed
@given(st.one_of(answers(VECTOR), answers(SCALAR), answers(ERROR)))
def test_any_answer_of_prometheus_is_samples_or_an_error(server: Talker, prometheus: Prometheus, answer: bytes) -> None:
    server.answer = answer
    found = server.ask(prometheus.query("m", AT))
    if isinstance(found, CanaryError):
        assert isinstance(found, Unavailable | Rejected)
        assert len(str(found)) < 2000
        return
    for series in found:
        assert isinstance(series.value, float)
        assert {type(each) for pair in series.labels.items() for each in pair} <= {str}
