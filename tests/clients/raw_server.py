"""An HTTP server on 127.0.0.1 that answers with exactly the bytes that a test wants, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: the path, the parameters from the URL and from a form, and the headers in lower case."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


Reply = Callable[[Asked, asyncio.StreamWriter], Coroutine[None, None, None]]


@dataclass(slots=True)
class RawServer:
    """Where it listens, what it was asked, and how it answers (may be changed at any time)."""

    url: str
    reply: Reply
    asked: list[Asked] = field(default_factory=list)


@asynccontextmanager
async def raw_server(reply: Reply, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Listen on a free port while inside; connections that are still open are cut at the end."""
    server = RawServer("", reply)
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        try:
            # Being cancelled is the end of the test, which asyncio's streams would report as an error.
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
                asked = await _read(reader)
                server.asked.append(asked)
                await server.reply(asked, writer)
                await writer.drain()
        finally:
            open_now.discard(task)
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    server.url = f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in list(open_now):
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
    parts = urlsplit(target)
    params = {name: values[-1] for name, values in parse_qs(f"{parts.query}&{body}").items()}
    return Asked(method=method, path=parts.path, params=params, headers=headers)


def saying(
    body: str | bytes, *, status: str = "200 OK", kind: str = "application/json", headers: str = "", length: int = 0
) -> Reply:
    """Return a reply with this body; `length` is what it says of its length when that is not true."""
    content = body.encode() if isinstance(body, str) else body

    async def reply(_: Asked, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length or len(content)}\r\n{headers}"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + content)

    return reply


def vector(*samples: tuple[dict[str, str], str]) -> Reply:
    """Return the reply of Prometheus with an instant vector."""
    result = [{"metric": labels, "value": [1767225600.123, value]} for labels, value in samples]
    return result_of("vector", result)


def result_of(kind: str, result: object, **more: object) -> Reply:
    """Return the reply of Prometheus with a result of this type."""
    return saying(json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}))


async def never(_: Asked, __: asyncio.StreamWriter) -> None:
    """Take the request and say nothing."""
    await asyncio.Event().wait()


async def dripping(_: Asked, writer: asyncio.StreamWriter) -> None:
    """Answer a byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)
