"""A stand-in for Prometheus over HTTP: it answers the controller's queries from what each Deployment is said to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiohttp import web

from canary.errors import Unavailable
from canary.ports import Metrics, Series
from canary.sandbox.query_api import number


@asynccontextmanager
async def prometheus(metrics: Metrics) -> AsyncIterator[str]:
    """Serve `metrics` on a free port of 127.0.0.1; yield the address."""

    async def query(request: web.Request) -> web.Response:
        asked = {**request.query, **(await request.post() if request.method == "POST" else {})}
        at = datetime.fromtimestamp(float(str(asked.get("time", 0))), UTC)
        promql = str(asked["query"])
        try:
            series = [Series({}, 1.0)] if promql == "vector(1)" else await metrics.query(promql, at)
        except Unavailable as error:
            return web.json_response({"status": "error", "errorType": "unavailable", "error": str(error)}, status=503)
        result = [{"metric": dict(one.labels), "value": [at.timestamp(), number(one.value)]} for one in series]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    app = web.Application()
    app.router.add_get("/api/v1/query", query)
    app.router.add_post("/api/v1/query", query)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
