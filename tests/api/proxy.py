"""Stands between a client and a server over HTTP, and lets a test have its way with what passes.

What may happen there is a `Between`; this module only carries. Not its job: what the faults are (tests.faults).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from tests.api.audit import Request

_HOP_BY_HOP = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Cut(Exception):
    """The connection to the client ends here, whatever of the answer it has."""


class Between:
    """Sees what passes. Each method may take its time, and raise `Cut`. This one lets all pass as it is."""

    async def instead(self, asked: Request) -> web.Response | None:
        """Return an answer that the server never hears of, or None to ask the server."""
        return None

    async def done(self, asked: Request) -> None:
        """The server has answered with `asked.code`; the client has seen nothing of it yet."""

    async def body(self, asked: Request, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the answer's body as the client is to get it. The pieces of a watch are lines."""
        async for piece in pieces:
            yield piece

    async def answered(self, asked: Request) -> None:
        """The client has been sent the whole answer."""

    def over(self, asked: Request) -> None:
        """The request that `instead` was asked about is over, however it ended."""


@asynccontextmanager
async def proxy(upstream: str, between: Between) -> AsyncIterator[str]:
    """Serve on a free port of 127.0.0.1, without TLS, what `upstream` serves; yield the address."""
    unlimited = aiohttp.TCPConnector(ssl=False, limit=0)
    no_end = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=unlimited, timeout=no_end, auto_decompress=False) as session:
        carrier = _Carrier(upstream.rstrip("/"), between, session)
        runner = web.ServerRunner(web.Server(carrier.carry, handler_cancellation=True), shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def kubeconfig_through(url: str, of: Path, path: Path) -> Path:
    """Write to `path` the kubeconfig `of` somebody who comes by another address, and return it."""
    config = yaml.safe_load(of.read_text(encoding="utf-8"))
    for each in config["clusters"]:
        each["cluster"]["server"] = url
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


class _Carrier:
    def __init__(self, upstream: str, between: Between, session: aiohttp.ClientSession) -> None:
        self._upstream, self._between, self._session = upstream, between, session

    async def carry(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = asked_by(request)
        try:
            answer = await self._between.instead(asked)
            return answer if answer is not None else await self._passed_on(request, asked)
        except (Cut, aiohttp.ClientError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        finally:
            self._between.over(asked)

    async def _passed_on(self, request: web.BaseRequest, asked: Request) -> web.StreamResponse:
        headers = _end_to_end(request.headers)
        url = f"{self._upstream}{request.raw_path}"
        body = await request.read()
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            asked = replace(asked, code=answer.status)
            await self._between.done(asked)
            passed = web.StreamResponse(status=answer.status, headers=_end_to_end(answer.headers))
            await passed.prepare(request)
            pieces = _lines(answer.content) if asked.verb == "watch" else answer.content.iter_any()
            async for piece in self._between.body(asked, pieces):
                await passed.write(piece)
            await passed.write_eof()
        await self._between.answered(asked)
        return passed


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines of any length, with their ends."""
    begun = b""
    async for piece in content.iter_any():
        *whole, begun = (begun + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"


def _end_to_end(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP]


def asked_by(request: web.BaseRequest) -> Request:
    """Return what a request asks for, as Kubernetes' rights name it; elsewhere the path is the resource."""
    parts = request.path.strip("/").split("/")
    group = parts[1] if parts[0] == "apis" and len(parts) > 1 else ""
    rest = parts[2:] if parts[0] == "api" else parts[3:] if parts[0] == "apis" else []
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "", "")[:3] if rest else (request.path, "", "")
    reads = "watch" if request.query.get("watch") == "true" else "get" if name or not rest else "list"
    return Request(
        verb=_VERBS.get(request.method, reads),
        group=group,
        resource=f"{resource}/{subresource}" if subresource else resource,
        namespace=namespace,
        name=name,
        code=0,
        forbidden=False,
    )
