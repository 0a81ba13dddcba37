"""A gate before the API server that can hold requests back, as a network does: what was sent arrives later.

Plain HTTP on this side, so that it can tell requests apart. Everything else goes through unchanged, watches too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from tests.api.control_plane import ControlPlane

PASSED_ON = ("Authorization", "Content-Type", "Accept", "User-Agent")


@dataclass(slots=True)
class Gate:
    """`hold` says which requests (method, path) wait until `open` is called. `answers` has what those were answered."""

    plane: ControlPlane
    session: aiohttp.ClientSession
    url: str = ""
    hold: Callable[[str, str], bool] | None = None
    held: list[str] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)
    _opened: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        """Let go what was held, and hold nothing more."""
        self.hold = None
        self._opened.set()

    def kubeconfig(self, of: Path) -> Path:
        """Write and return a kubeconfig with the credentials of another, that goes through this gate."""
        config = yaml.safe_load(of.read_text(encoding="utf-8"))
        config["clusters"][0]["cluster"] = {"server": self.url}
        path = of.with_name(f"gate-{self.url.rpartition(':')[2]}.kubeconfig")
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    async def carry(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        held = self.hold is not None and self.hold(request.method, request.path)
        if held:
            self.held.append(f"{request.method} {request.path}")
            await self._opened.wait()
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        there = f"{self.plane.url}{request.path_qs}"
        async with self.session.request(request.method, there, data=body, headers=headers) as answer:
            if held:
                self.answers.append((f"{request.method} {request.path}", answer.status))
            response = web.StreamResponse(status=answer.status)
            for name in ("Content-Type", "Date"):
                response.headers[name] = answer.headers[name]
            await response.prepare(request)
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            except ConnectionError:
                return response  # the client went away
            await response.write_eof()
            return response


@asynccontextmanager
async def gate(plane: ControlPlane) -> AsyncIterator[Gate]:
    """Serve a gate on a free port of 127.0.0.1."""
    app = web.Application(client_max_size=16 * 1024**2)
    limits = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(ssl=False, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=limits) as session:
        it = Gate(plane, session)
        app.router.add_route("*", "/{path:.*}", it.carry)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            it.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield it
        finally:
            it.open()
            await runner.cleanup()
