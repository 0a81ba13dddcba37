"""The sandbox's PromQL gives what the real Prometheus gives, for the same samples. Runs when it is on the PATH."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from canary.sandbox.prometheus import prometheus_process
from canary.sandbox.promql import evaluate
from canary.sandbox.promql_range import Edition
from canary.sandbox.promql_values import QueryError
from canary.sandbox.query_api import rendered
from canary.sandbox.tsdb import Store
from tests.sandbox.remote_write import Samples, write

PROMETHEUS = shutil.which("prometheus")
STEP = 15_000
START = 1_700_000_000_000
ROUNDS = 60
W = 'requests_total{app="a"}'


def counters() -> Samples:
    """Counters of pods that live from the start, come later, are reset, miss scrapes, end, or end and come back."""
    chance = random.Random(7)
    series: dict[tuple[tuple[str, str], ...], list[tuple[int, float | None]]] = {}
    for number in range(12):
        pod, first, last = f"p{number}", chance.randrange(0, 45), chance.randrange(46, ROUNDS + 20)
        for code in ("200", "500", "503"):
            value, pairs = float(chance.randrange(0, 50)), list[tuple[int, float | None]]()
            for turn in range(first if number else 0, min(last, ROUNDS)):
                value = 0.0 if chance.random() < 0.06 else value + chance.randrange(0, 40)
                if chance.random() > 0.08:
                    pairs.append((START + turn * STEP + 37 * number % 11, value))
            if last < ROUNDS:
                pairs.append((START + last * STEP, None))
            if number == 3:
                pairs.append((START + (ROUNDS - 1) * STEP, 5.0))
            labels = {"__name__": "requests_total", "app": "a" if number % 3 else "b", "pod": pod, "code": code}
            series[tuple(labels.items())] = pairs
    return series


def histograms() -> Samples:
    chance = random.Random(11)
    series: dict[tuple[tuple[str, str], ...], list[tuple[int, float | None]]] = {}
    for pod in ("h0", "h1", "h2"):
        totals = dict.fromkeys(("0.1", "0.5", "1", "2.5", "+Inf"), 0.0)
        runs: dict[str, list[tuple[int, float | None]]] = {edge: [] for edge in totals}
        for turn in range(0 if pod != "h2" else 40, ROUNDS):
            for place, edge in enumerate(totals):
                totals[edge] += chance.randrange(0, 5) + 5 * place
                runs[edge].append((START + turn * STEP, totals[edge]))
        for edge, pairs in runs.items():
            series[tuple({"__name__": "latency_bucket", "pod": pod, "le": edge}.items())] = pairs
    return series


def gauges() -> Samples:
    values = {
        "a": [1.0, -2.5, math.nan],
        "b": [math.inf, 3.0, 0.0],
        "c": [-math.inf, 7.25, 1e-9],
        "d": [0.0, -0.0, 1e9],
    }
    return {
        tuple({"__name__": name, "x": x, "y": "1" if x in "ab" else "2"}.items()): [
            (START + (ROUNDS - 12 + 4 * turn) * STEP, value if name == "gauge" else -2 * value)
            for turn, value in enumerate(found)
        ]
        for name in ("gauge", "other")
        for x, found in values.items()
    }


QUERIES = [
    f"sum((increase({W}[60s]) and ({W} offset 60s)) or ({W} unless ({W} offset 60s)))",
    f"sum by (code) ((increase({W}[60s]) and ({W} offset 60s)) or ({W} unless ({W} offset 60s)))",
    "sum by (le) ((increase(latency_bucket[60s]) and (latency_bucket offset 60s))"
    " or (latency_bucket unless (latency_bucket offset 60s)))",
    "histogram_quantile(0.99, sum by (le) (rate(latency_bucket[1m])))",
    "histogram_quantile(0.5, rate(latency_bucket[2m]))",
    "histogram_quantile(0.1, latency_bucket)",
    "histogram_quantile(1.5, latency_bucket)",
    "histogram_quantile(0.5, latency_bucket{le!='+Inf'})",
    '(sum(rate(requests_total{code!~"5.*"}[1m])) or vector(0)) / (sum(rate(requests_total[1m])) > 0) * 100',
    "requests_total",
    "requests_total offset 2m",
    "requests_total offset -1m",
    f"requests_total @ {START // 1000 + 300}",
    f"rate(requests_total[2m] @ {START // 1000 + 300} offset 30s)",
    "requests_total{pod=~'p1|p2', code!='200'}",
    "requests_total{nosuch='', pod!~'p[0-5]'}",
    "{__name__=~'requests.*', pod='p4'}",
    *(
        f"{name}(requests_total[{span}])"
        for name in ("rate", "increase", "delta", "irate", "idelta", "changes", "resets", "last_over_time")
        for span in ("30s", "1m", "75s", "5m")
    ),
    *(
        f"{name}({metric}[2m])"
        for name in ("sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "count_over_time")
        for metric in ("gauge", "requests_total")
    ),
    *(
        f"{name} {grouping} ({metric})"
        for name in ("sum", "avg", "min", "max", "count", "group")
        for grouping in ("", "by (code, y)", "without (pod, x)", "by (nosuch)")
        for metric in ("gauge", "requests_total")
    ),
    *(f"gauge {op} other" for op in ("+", "-", "*", "/", "%", "^", "==", "!=", "<", "<=", ">", ">=")),
    *(f"gauge {op} bool other" for op in ("==", "!=", "<", ">=")),
    *(f"gauge {op} 2" for op in ("+", "-", "*", "/", "%", "^", ">", "!=")),
    *(f"2 {op} gauge" for op in ("+", "-", "*", "/", "%", "^", ">", "!=")),
    *(f"gauge {op} 0" for op in ("/", "%", "^")),
    *(f"0 {op} gauge" for op in ("/", "%", "^")),
    "-gauge",
    "-2 ^ 2",
    "2 ^ 3 ^ 2",
    "1 == bool 2",
    "7 % 0",
    "-1 / 0",
    "gauge > 1 < 5",
    "gauge * on (x) other",
    "gauge > on (x) other",
    "gauge * ignoring (y) other",
    "gauge > ignoring (y) other",
    "gauge * on (y) group_left sum by (y) (other)",
    "gauge * on (y) group_left (z) label_replace(sum by (y) (other), 'z', 'v$1', 'y', '(.*)')",
    "sum by (y) (other) - on (y) group_right gauge",
    "gauge + on (y) other",
    "sum by (y) (gauge) + on () other",
    "gauge and on (x) other{y='1'}",
    "gauge unless on (x) other{y='1'}",
    "gauge{y='1'} or other",
    "gauge{y='1'} or on (y) other",
    "gauge == gauge",
    "{__name__=~'gauge|other'} * 2",
    "abs(gauge)",
    "ceil(gauge)",
    "floor(gauge)",
    "round(gauge)",
    "round(gauge, 0.5)",
    "clamp_min(gauge, 0)",
    "clamp_max(gauge, 0)",
    "scalar(gauge)",
    "scalar(gauge{x='c'})",
    "vector(3)",
    "time()",
    "timestamp(gauge)",
    "timestamp(gauge * 1)",
    "absent(gauge)",
    "absent(nosuch{a='b',c=~'d',e!='f'})",
    "absent(nosuch{a='b',a='c'})",
    "absent(sum(nosuch))",
    "label_replace(gauge, 'new', '$1-${1}z$$', 'x', '([ab])')",
    "label_replace(gauge, 'y', '', 'x', '.*')",
    "label_replace(gauge, 'x', 'same', 'x', '.*')",
    "nosuch",
    "sum(nosuch)",
    "gauge[1m]",
    "'text'",
    "rate(gauge)",
    "sum(",
]
WITHOUT_RESULT = {
    *("nosuch", "sum(nosuch)", "rate(gauge)", "sum(", "gauge + on (y) other"),
    *(
        "label_replace(gauge, 'x', 'same', 'x', '.*')",
        "sum by (y) (gauge) + on () other",
        "{__name__=~'gauge|other'} * 2",
    ),
}
"""Queries whose answer is empty or an error at each moment, here and there."""
MOMENTS = [START + offset for offset in (7, 90_000, 435_123, 60_000 * 10, 13 * 60_000 + 1, 59 * STEP + 5000, 75 * STEP)]

Answer = tuple[str, Any]


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not on the PATH")
async def test_the_sandbox_gives_what_prometheus_gives(tmp_path: Path) -> None:
    series = {**counters(), **histograms(), **gauges()}
    store = Store()
    for labels, pairs in series.items():
        for at, value in pairs:
            store.append(dict(labels), at, value)
    config: dict[str, object] = {"global": {"scrape_interval": "1h"}}
    flags = ("--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y")
    async with (
        prometheus_process(str(PROMETHEUS), tmp_path, config, *flags) as url,
        aiohttp.ClientSession(f"{url}/api/v1/") as session,
    ):
        await write(url, series)
        edition = await edition_of(session)
        answers = {
            (query, at): (await theirs(session, query, at), computed(store, query, at, edition))
            for query in QUERIES
            for at in MOMENTS
        }
    differing = {asked: both for asked, both in answers.items() if not alike(*both)}
    assert differing == {}
    silent = {query for query in QUERIES if not any(answers[query, at][0][1] for at in MOMENTS)}
    assert silent == WITHOUT_RESULT


async def edition_of(session: aiohttp.ClientSession) -> Edition:
    async with session.get("status/buildinfo") as answer:
        version = (await answer.json())["data"]["version"]
    return Edition.V3 if int(version.partition(".")[0]) >= 3 else Edition.V2


async def theirs(session: aiohttp.ClientSession, query: str, at: int) -> Answer:
    async with session.post("query", data={"query": query, "time": f"{at / 1000:.3f}"}) as answer:
        said = await answer.json()
    if said["status"] == "error":
        return said["errorType"], None
    return said["data"]["resultType"], said["data"]["result"]


def computed(store: Store, query: str, at: int, edition: Edition) -> Answer:
    try:
        return rendered(evaluate(store, query, at, edition=edition), at)
    except QueryError as err:
        return err.kind, None


def alike(real: Answer, ours: Answer) -> bool:
    """Compare kinds, labels, times and values; values within the error of summing in another order."""
    if real[0] != ours[0]:
        return False
    if real[0] in ("vector", "matrix"):
        return as_samples(real[1]) == as_samples(ours[1])
    return number_of(real[1]) == number_of(ours[1])


def as_samples(result: list[Mapping[str, Any]]) -> dict[frozenset[tuple[str, str]], object]:
    found = {frozenset(entry["metric"].items()): numbers(entry) for entry in result}
    assert len(found) == len(result)
    return found


def numbers(entry: Mapping[str, Any]) -> object:
    return [number_of(pair) for pair in entry.get("values", [entry.get("value")])]


def number_of(pair: Any) -> object:
    if pair is None or pair[1] == "text":
        return pair
    return pair[0], pytest.approx(float(pair[1]), rel=1e-9, abs=1e-12, nan_ok=True)
