"""Of one controller that is to be killed one write at a time is under way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import aiohttp
from aiohttp import web

from tests.api.harness import Harness
from tests.api.proxy import proxy
from tests.faults.kills import Killing, Moment, Victim

CANARIES = "/apis/canary.delivery/v1alpha1/namespaces/shop/canaries/checkout"
LIMIT_S = 30.0


async def test_its_writes_reach_the_server_one_after_the_other_though_one_is_given_up_and_its_reads_do_not_wait(
    tmp_path: Path,
) -> None:
    go_on, there = asyncio.Event(), asyncio.Event()
    at_once: list[int] = []
    under_way = 0

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal under_way
        if request.method == "GET":
            return web.json_response({})
        under_way += 1
        at_once.append(under_way)
        there.set()
        await go_on.wait()
        under_way -= 1
        return web.json_response({})

    killing = Killing()
    killing.victims["shop"] = Victim(cast(Harness, None), Moment.UNTOLD, tmp_path)
    runner = web.ServerRunner(web.Server(serve), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with asyncio.timeout(LIMIT_S), proxy(upstream, killing) as url, aiohttp.ClientSession(url) as session:

            async def asked(method: str) -> int:
                async with session.request(method, CANARIES) as answer:
                    return answer.status

            writes = [asyncio.create_task(asked(method)) for method in ("DELETE", "PATCH", "PATCH")]
            await there.wait()
            assert await asked("GET") == 200
            assert at_once == [1]
            writes[1].cancel()
            go_on.set()
            assert [await writes[0], await writes[2]] == [200, 200]
    finally:
        await runner.cleanup()
    assert set(at_once) == {1}
