"""The HTTP port of the controller: for the kubelet, and for Prometheus. Not its job: what the pages say, it asks.

A few short answers need no web framework; a request is read up to its first empty line and answered by its path.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from canary.errors import ConfigError

READ_S = 5.0
LONGEST_HEAD = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a path answers: whether all is well (200, else 503), and the words."""

    well: bool
    text: str
    content_type: str = "text/plain; charset=utf-8"


Page = Callable[[], Answer]
"""Makes the answer of one path; called for each request, must be quick."""


@asynccontextmanager
async def probes(port: int, pages: Mapping[str, Page], *, host: str = "") -> AsyncIterator[int]:
    """Serve the pages until the block ends; yield the port, a free one when 0 was asked for.

    Raises ConfigError when the port is in use or may not be opened.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _answer(pages, reader, writer)

    try:
        server = await asyncio.start_server(answer, sock=_listening(host, port), limit=LONGEST_HEAD)
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error.strerror})"
        raise ConfigError(f"port {port} {why}: choose another with --metrics-port (0 takes any free one)") from error
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


def _listening(host: str, port: int) -> socket.socket:
    """Return one socket for IPv4 and IPv6: of two, each would get a free port of its own."""
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server((host, port))


async def _answer(pages: Mapping[str, Page], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(READ_S):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_response(pages, head))
            await writer.drain()
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return  # whoever asked is gone, or does not speak HTTP
    finally:
        writer.close()


def _response(pages: Mapping[str, Page], head: bytes) -> bytes:
    method, _, rest = head.decode("latin-1").partition(" ")
    path = rest.split(" ", 1)[0].split("?", 1)[0]
    page = pages.get(path)
    if method not in ("GET", "HEAD"):
        status, answer = "405 Method Not Allowed", Answer(False, "only GET\n")
    elif page is None:
        status, answer = "404 Not Found", Answer(False, f"there are {', '.join(sorted(pages))}\n")
    else:
        answer = page()
        status = "200 OK" if answer.well else "503 Service Unavailable"
    body = answer.text.encode()
    lines = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "\r\n",
    )
    return "\r\n".join(lines).encode() + (b"" if method == "HEAD" else body)
