"""The sandbox's query API answers as Prometheus does, and the metrics server is either of the two."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from canary.clients.prometheus import Prometheus
from canary.clients.prometheus_http import PrometheusAccess
from canary.errors import ConfigError
from canary.ports import Series
from canary.sandbox.clock import LoopClock
from canary.sandbox.prometheus import metrics_server
from canary.sandbox.query_api import serve_queries
from canary.sandbox.scraper import Target
from canary.sandbox.tsdb import Store

REAL = shutil.which("prometheus") is not None
NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = int(NOW.timestamp() * 1000)


@pytest.fixture
async def asking() -> AsyncIterator[aiohttp.ClientSession]:
    store = Store()
    for a, value in (("2", float("nan")), ("1", 0.5)):
        store.append({"__name__": "m", "a": a}, AT - 1000, value)
    async with (
        serve_queries(store, LoopClock(NOW)) as url,
        aiohttp.ClientSession(f"{url}/api/v1/") as session,
    ):
        yield session


@pytest.mark.parametrize(
    ("query", "data"),
    [
        (
            "m",
            {
                "resultType": "vector",
                "result": [
                    {"metric": {"__name__": "m", "a": "1"}, "value": [AT / 1000, "0.5"]},
                    {"metric": {"__name__": "m", "a": "2"}, "value": [AT / 1000, "NaN"]},
                ],
            },
        ),
        ("-1 / 0", {"resultType": "scalar", "result": [AT / 1000, "-Inf"]}),
        ("3", {"resultType": "scalar", "result": [AT / 1000, "3"]}),
        ("'x'", {"resultType": "string", "result": [AT / 1000, "x"]}),
        (
            'm{a="1"}[1m]',
            {
                "resultType": "matrix",
                "result": [{"metric": {"__name__": "m", "a": "1"}, "values": [[AT / 1000 - 1, "0.5"]]}],
            },
        ),
    ],
)
async def test_each_type_of_result_has_the_form_that_prometheus_gives_it(
    asking: aiohttp.ClientSession, query: str, data: object
) -> None:
    for time in (NOW.isoformat(), f"{AT / 1000:.3f}"):
        asked = {"query": query, "time": time}
        async with asking.get("query", params=asked) as got, asking.post("query", data=asked) as posted:
            assert [await got.json(), await posted.json()] == [{"status": "success", "data": data}] * 2


async def test_without_a_time_the_present_is_meant(asking: aiohttp.ClientSession) -> None:
    async with asking.get("query", params={"query": "m"}) as answer:
        assert len((await answer.json())["data"]["result"]) == 2


@pytest.mark.parametrize(
    ("params", "status", "kind"),
    [
        ({"query": "sum("}, 400, "bad_data"),
        ({}, 400, "bad_data"),
        ({"query": "m", "time": "soon"}, 400, "bad_data"),
        ({"query": "m", "time": "NaN"}, 400, "bad_data"),
        ({"query": "m + on () m"}, 422, "execution"),
    ],
)
async def test_errors_have_the_form_that_prometheus_gives_them(
    asking: aiohttp.ClientSession, params: dict[str, str], status: int, kind: str
) -> None:
    async with asking.get("query", params=params) as answer:
        said = json.loads(await answer.text())
    assert (answer.status, said["status"], said["errorType"], bool(said["error"])) == (status, "error", kind, True)


@pytest.mark.parametrize(
    "real", [False, pytest.param(True, marks=pytest.mark.skipif(not REAL, reason="prometheus is not on the PATH"))]
)
async def test_a_metrics_server_scrapes_its_targets_and_answers_queries(real: bool) -> None:
    itself: list[Target] = []
    clock = LoopClock(datetime.now(UTC))
    async with (
        asyncio.timeout(60),
        metrics_server(lambda: itself, clock, interval=timedelta(milliseconds=100), real=real) as server,
        Prometheus(PrometheusAccess(url=server.url)) as prometheus,
    ):
        itself.append(Target(url=f"{server.url}/-/ready", labels={"pod": "p", "job": "j"}))
        found: Sequence[Series] = ()
        while not found:
            await asyncio.sleep(0.05)
            found = await prometheus.query("up", clock.now())
        instance = server.url.removeprefix("http://")
        # What it scraped is no metrics, so it is down; that it was scraped is what counts.
        assert (server.real, found) == (real, [Series({"job": "j", "pod": "p", "instance": instance}, 0.0)])


async def test_without_prometheus_on_the_path_the_scraper_stands_in_unless_the_real_one_is_demanded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    async with metrics_server(list, LoopClock(NOW)) as server:
        assert server.real is False
    with pytest.raises(ConfigError, match="prometheus is not on the PATH"):
        async with metrics_server(list, LoopClock(NOW), real=True):
            pass


DYING = """
import asyncio, os, signal
from datetime import UTC, datetime
from canary.sandbox.clock import LoopClock
from canary.sandbox.prometheus import metrics_server

async def main():
    async with metrics_server(list, LoopClock(datetime.now(UTC)), real=True) as server:
        print(server.url, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.skipif(not REAL, reason="prometheus is not on the PATH")
async def test_prometheus_ends_when_the_program_that_started_it_is_killed() -> None:
    async with asyncio.timeout(60):
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", DYING, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}
        )
        assert program.stdout is not None
        url = (await program.stdout.readline()).decode().strip()
        assert await program.wait() == -signal.SIGKILL
        async with aiohttp.ClientSession() as session:
            while await answers(session, f"{url}/-/ready"):  # noqa: ASYNC110 - only asking tells
                await asyncio.sleep(0.05)


async def answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
