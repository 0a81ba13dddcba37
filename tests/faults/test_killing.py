"""Of one controller that is to be killed one write at a time is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import aiohttp
from aiohttp import web

from tests.api.harness import Harness
from tests.api.proxy import proxy
from tests.faults.kills import Killing, Moment, Victim

CANARIES = "/apis/canary.delivery/v1alpha1/namespaces/shop/canaries/checkout"
LIMIT_S = 30.0


class Server:
    """Answers reads at once and writes when told to; counts how many writes are under way as each begins."""

    def __init__(self) -> None:
        self.go_on, self.there = asyncio.Event(), asyncio.Event()
        self.at_once: list[int] = []
        self._under_way = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "GET":
            self._under_way += 1
            self.at_once.append(self._under_way)
            self.there.set()
            await self.go_on.wait()
            self._under_way -= 1
        return web.json_response({})


@asynccontextmanager
async def served(server: Server) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(server.answer), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_its_writes_reach_the_server_one_after_the_other_though_one_is_given_up_and_its_reads_do_not_wait(
    tmp_path: Path,
) -> None:
    server, killing = Server(), Killing()
    killing.victims["shop"] = Victim(cast(Harness, None), Moment.UNTOLD, tmp_path)
    async with (
        asyncio.timeout(LIMIT_S),
        served(server) as upstream,
        proxy(upstream, killing) as url,
        aiohttp.ClientSession(url) as session,
    ):

        async def asked(method: str) -> int:
            async with session.request(method, CANARIES) as answer:
                return answer.status

        writes = [asyncio.create_task(asked(method)) for method in ("DELETE", "PATCH", "PATCH")]
        await server.there.wait()
        assert await asked("GET") == 200
        assert server.at_once == [1]
        writes[1].cancel()
        server.go_on.set()
        assert [await writes[0], await writes[2]] == [200, 200]
    assert set(server.at_once) == {1}
