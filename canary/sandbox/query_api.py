"""The part of Prometheus's HTTP API that canary uses, over samples in memory.

https://prometheus.io/docs/prometheus/latest/querying/api/. Range queries, metadata and writing are left out (HTTP 404).
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web

from canary.ports import Clock
from canary.sandbox.promql import evaluate
from canary.sandbox.promql_range import Edition
from canary.sandbox.promql_values import Matrix, QueryError, Run, Sample, Value, Vector
from canary.sandbox.tsdb import Store

VERSION = "3.0.0-canary-sandbox"


@asynccontextmanager
async def serve_queries(store: Store, clock: Clock, *, port: int = 0) -> AsyncIterator[str]:
    """Answer queries on 127.0.0.1, on a free port if `port` is 0; yield the base URL."""
    api = _Api(store, clock)
    app = web.Application(client_max_size=1024 * 1024)
    app.router.add_get("/api/v1/query", api.query)
    app.router.add_post("/api/v1/query", api.query)
    app.router.add_get("/api/v1/status/buildinfo", api.build)
    for path, said in (
        ("/-/ready", "Prometheus Server is Ready.\n"),
        ("/-/healthy", "Prometheus Server is Healthy.\n"),
    ):
        app.router.add_get(path, _constant(said))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _constant(said: str) -> Callable[[web.Request], Any]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=said)

    return answer


class _Api:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def query(self, request: web.Request) -> web.Response:
        """Answer an instant query; parameters come in the URL or in a form."""
        params: Mapping[str, Any] = request.query
        if request.method == "POST":
            params = {**request.query, **await request.post()}
        try:
            at = self._at(str(params.get("time", "")))
            value = evaluate(self._store, str(params.get("query", "")), at, edition=Edition.V3)
        except QueryError as err:
            said = {"status": "error", "errorType": err.kind, "error": str(err)}
            return web.json_response(said, status=400 if err.kind == "bad_data" else 422)
        kind, result = rendered(value, at)
        return web.json_response({"status": "success", "data": {"resultType": kind, "result": result}}, dumps=_dumps)

    async def build(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "success", "data": {"version": VERSION, "revision": "", "branch": ""}})

    def _at(self, text: str) -> int:
        """Return milliseconds; Prometheus takes seconds with a fraction, or RFC 3339; "" is now."""
        if not text:
            return round(self._clock.now().timestamp() * 1000)
        try:
            seconds = float(text)
        except ValueError:
            try:
                seconds = datetime.fromisoformat(text).timestamp()
            except ValueError:
                seconds = math.nan
        if not math.isfinite(seconds):
            raise QueryError(f'invalid parameter "time": cannot parse {json.dumps(text)} to a valid timestamp')
        return round(seconds * 1000)


def rendered(value: Value, at: int) -> tuple[str, Any]:
    """Return the resultType and the result as they stand in the answer."""
    match value:
        case Vector(samples):
            return "vector", [
                {"metric": dict(s.labels), "value": [at / 1000, number(s.value)]} for s in _stable(samples)
            ]
        case Matrix(runs=runs):
            return "matrix", [_run(run) for run in runs]
        case float():
            return "scalar", [at / 1000, number(value)]
        case str():
            return "string", [at / 1000, value]


def _stable(samples: Any) -> list[Sample]:
    return sorted(samples, key=lambda sample: sorted(sample.labels.items()))


def _run(run: Run) -> dict[str, Any]:
    return {"metric": dict(run.labels), "values": [[at / 1000, number(value)] for at, value in run.pairs]}


def number(value: float) -> str:
    """Write a number as Prometheus does: NaN, +Inf, -Inf, and no ".0"."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")


def _dumps(said: object) -> str:
    return json.dumps(said, separators=(",", ":"))
