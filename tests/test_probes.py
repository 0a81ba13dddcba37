"""The probes over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping

import pytest

from canary.errors import ConfigError
from canary.probes import Answer, Page, probes

PATIENCE_S = 20.0
PAGES: Mapping[str, Page] = {
    "/healthz": lambda: Answer(True, "ok\n"),
    "/readyz": lambda: Answer(False, "the caches are being filled\n"),
}


async def asked(port: int, request: str) -> str:
    """Send bytes and return all that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            writer.write(request.encode())
            await writer.drain()
            return (await reader.read()).decode()
    finally:
        writer.close()
        await writer.wait_closed()


def answer(status: str, body: str, length: int | None = None) -> str:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\nConnection: close\r\n\r\n{body}"
    )


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /healthz HTTP/1.1", answer("200 OK", "ok\n")),
        ("GET /healthz?verbose=1 HTTP/1.0", answer("200 OK", "ok\n")),
        ("GET /readyz HTTP/1.1", answer("503 Service Unavailable", "the caches are being filled\n")),
        ("HEAD /healthz HTTP/1.1", answer("200 OK", "", length=3)),
        ("GET / HTTP/1.1", answer("404 Not Found", "there are /healthz, /readyz\n")),
        ("POST /healthz HTTP/1.1", answer("405 Method Not Allowed", "only GET\n")),
    ],
)
async def test_each_path_has_its_answer(request_line: str, expected: str) -> None:
    async with probes(0, PAGES, host="127.0.0.1") as port:
        assert await asked(port, f"{request_line}\r\nHost: here\r\n\r\n") == expected


async def test_a_page_is_made_for_each_request() -> None:
    well = False
    async with probes(0, {"/readyz": lambda: Answer(well, "")}, host="127.0.0.1") as port:
        first = await asked(port, "GET /readyz HTTP/1.1\r\n\r\n")
        well = True
        second = await asked(port, "GET /readyz HTTP/1.1\r\n\r\n")
    assert (first.split("\r\n")[0], second.split("\r\n")[0]) == ("HTTP/1.1 503 Service Unavailable", "HTTP/1.1 200 OK")


@pytest.mark.parametrize("noise", ["GET /healthz HTTP/1.1\r\nX: " + "a" * 20_000 + "\r\n\r\n", "\x16\x03\x01\r\n\r\n"])
async def test_what_is_no_request_is_closed_and_others_are_answered(noise: str) -> None:
    async with probes(0, PAGES, host="127.0.0.1") as port:
        with contextlib.suppress(ConnectionError):  # closed with some of it unread
            assert "200" not in await asked(port, noise)
        assert "200 OK" in await asked(port, "GET /healthz HTTP/1.1\r\n\r\n")


async def test_who_says_nothing_holds_nobody_up_nor_the_end() -> None:
    async with asyncio.timeout(PATIENCE_S):
        async with probes(0, PAGES, host="127.0.0.1") as port:
            _, silent = await asyncio.open_connection("127.0.0.1", port)
            assert "200 OK" in await asked(port, "GET /healthz HTTP/1.1\r\n\r\n")
        silent.close()


async def test_a_port_in_use_is_named_with_its_flag() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as raised:
            async with probes(port, PAGES, host="127.0.0.1"):
                pass
    assert str(raised.value) == f"port {port} is in use: choose another with --metrics-port (0 takes any free one)"


async def test_a_port_that_may_not_be_opened_is_said() -> None:
    with pytest.raises(ConfigError, match=r"port 8080 cannot be opened \(.*\): choose another with --metrics-port"):
        async with probes(8080, PAGES, host="203.0.113.1"):
            pass


async def test_the_free_port_that_is_told_answers_on_every_address() -> None:
    for _ in range(5):
        async with probes(0, PAGES) as port:
            assert "200 OK" in await asked(port, "GET /healthz HTTP/1.1\r\n\r\n")
