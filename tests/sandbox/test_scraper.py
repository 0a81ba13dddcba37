"""Scraping: labels, `up`, staleness, and targets that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from canary.sandbox.promql import evaluate
from canary.sandbox.promql_values import Vector
from canary.sandbox.scraper import Scraper, Target
from canary.sandbox.tsdb import Store

START = datetime(2026, 1, 1, tzinfo=UTC)


class SteppedClock:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


class Exposing:
    """A server on 127.0.0.1 whose /metrics says `text`, or hangs, or fails."""

    def __init__(self) -> None:
        self.text = ""
        self.status = 200
        self.hangs = False
        self.url = ""

    async def metrics(self, _: web.Request) -> web.Response:
        if self.hangs:
            await asyncio.Event().wait()
        return web.Response(text=self.text, status=self.status)


@pytest.fixture
async def exposing() -> AsyncIterator[Exposing]:
    server = Exposing()
    app = web.Application()
    app.router.add_get("/metrics", server.metrics)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    yield server
    await runner.cleanup()


class Scraped:
    """A scraper over a list of targets, scraped once a second of its own clock."""

    def __init__(self, *targets: Target) -> None:
        self.targets = list(targets)
        self.clock = SteppedClock()
        self.store = Store()
        self.scraper = Scraper(lambda: self.targets, self.store, self.clock, interval=timedelta(seconds=1))

    async def round(self, within: float = 30.0) -> None:
        self.clock.at += timedelta(seconds=1)
        timeout = aiohttp.ClientTimeout(total=within)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await self.scraper.scrape(session)

    def ask(self, query: str) -> list[tuple[Mapping[str, str], float]]:
        value = evaluate(self.store, query, round(self.clock.at.timestamp() * 1000))
        assert isinstance(value, Vector)
        return [(sample.labels, sample.value) for sample in value.samples]


async def test_series_get_the_labels_of_their_target_as_kubernetes_discovery_would_set_them(exposing: Exposing) -> None:
    exposing.text = '# HELP r Requests.\n# TYPE r counter\nr_total{code="200",pod="said"} 7\nr_total{code="500"} 1e3\n'
    target = Target(url=exposing.url, labels={"pod": "checkout-1", "namespace": "shop"})
    scraped = Scraped(target)
    await scraped.round()
    own = {"pod": "checkout-1", "namespace": "shop", "job": "sandbox", "instance": exposing.url.split("/")[2]}
    assert scraped.ask("r_total") == [
        ({"__name__": "r_total", "code": "200", "exported_pod": "said", **own}, 7.0),
        ({"__name__": "r_total", "code": "500", **own}, 1000.0),
    ]
    assert scraped.ask("up") == [({"__name__": "up", **own}, 1.0)]
    assert scraped.ask("scrape_samples_scraped") == [({"__name__": "scrape_samples_scraped", **own}, 2.0)]


async def test_a_series_that_is_exposed_no_more_ends_and_the_others_go_on(exposing: Exposing) -> None:
    scraped = Scraped(Target(url=exposing.url, labels={}))
    exposing.text = "a 1\nb 1\n"
    await scraped.round()
    exposing.text = "a 2\n"
    await scraped.round()
    assert [value for _, value in scraped.ask("a")] == [2.0]
    assert scraped.ask("b") == []


async def test_a_target_that_goes_ends_all_its_series_and_up(exposing: Exposing) -> None:
    exposing.text = "a 1\n"
    scraped = Scraped(Target(url=exposing.url, labels={"pod": "p"}))
    await scraped.round()
    scraped.targets.clear()
    await scraped.round()
    assert scraped.ask('{__name__=~".+"}') == []


@pytest.mark.parametrize("text", ["a 1\nb\n", 'a{x="1" 1\n', 'a{x="1"y="2"} 1\n', "a one\n", "1a 1\n", "a{x=1} 1\n"])
async def test_what_is_not_the_text_format_makes_a_target_down_and_ends_its_series(
    exposing: Exposing, text: str
) -> None:
    exposing.text = "a 1\n"
    scraped = Scraped(Target(url=exposing.url, labels={}))
    await scraped.round()
    exposing.text = text
    await scraped.round()
    assert [value for _, value in scraped.ask("up")] == [0.0]
    assert scraped.ask("a") == []


async def test_an_http_error_makes_a_target_down_and_it_can_come_back(exposing: Exposing) -> None:
    exposing.text, exposing.status = "a 1\n", 503
    scraped = Scraped(Target(url=exposing.url, labels={}))
    await scraped.round()
    assert [value for _, value in scraped.ask("up")] == [0.0]
    exposing.status = 200
    await scraped.round()
    assert [value for _, value in scraped.ask("up + a")] == [2.0]


async def test_a_target_that_hangs_does_not_keep_the_others_from_being_scraped(exposing: Exposing) -> None:
    exposing.hangs = True
    scraped = Scraped(Target(url=exposing.url, labels={}), Target(url="http://127.0.0.1:1/metrics", labels={}))
    await scraped.round(within=0.1)
    assert [value for _, value in scraped.ask("up")] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        ("a 1", {}, 1.0),
        ("a{} 1", {}, 1.0),
        ("a +Inf 1700000000000", {}, float("inf")),
        (r'a{x="q\"\\\n} 9",} 2', {"x": 'q"\\\n} 9'}, 2.0),
        ('a { x = "1" , y = "ü" } 3 ', {"x": "1", "y": "ü"}, 3.0),
        ("\ta\t4", {}, 4.0),
    ],
)
async def test_every_form_of_a_line_is_read(
    exposing: Exposing, line: str, labels: Mapping[str, str], value: float
) -> None:
    exposing.text = f"{line}\n"
    scraped = Scraped(Target(url=exposing.url, labels={"job": "j", "instance": "i"}))
    await scraped.round()
    assert scraped.ask("a") == [({"__name__": "a", "job": "j", "instance": "i", **labels}, value)]
