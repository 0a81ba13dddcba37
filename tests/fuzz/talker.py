"""A server that answers with the bytes that a property wants, and a loop for the client that asks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import strategies as st

from canary.errors import CanaryError
from tests.clients.raw_server import Asked, raw_server
from tests.fuzz.values import ODD, TEXTS, spoilt

_T = TypeVar("_T")

STATUSES = ["200 OK", "201 Created", "301 Moved", "400 Bad", "401 Who", "403 No", "404 Gone", "409 Conflict", "410 Old"]
STATUSES += [
    "418 Tea",
    "422 Odd",
    "429 Wait",
    "500 Broken",
    "502 Bad",
    "503 Busy",
    "504 Late",
    "99 Low",
    "999 High",
    "x",
]
HEADERS = [
    "Retry-After: {}", "Content-Type: {}", "Location: {}", "Content-Length: {}", "Content-Encoding: {}",
    "Transfer-Encoding: {}", "Date: {}", "Set-Cookie: {}", "{}",
]  # fmt: skip
WORDS = ["0", "1", "-1", "7.5", "²", "٣", "9" * 400, "NaN", "inf", "application/json", "text/html; charset=x", "gzip"]
WORDS += [
    "chunked",
    "deflate",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Thu, 99 Jan 99999 00:00:00 GMT",
    "http://u:p@x/?q",
    "",
]
DEEP = b"[" * 5_000
"""More than Python's parser nests."""


def answers(good: Any) -> st.SearchStrategy[bytes]:
    """Whole answers in HTTP: mostly JSON that is `good` but for a few places, sometimes anything."""
    said = st.one_of(spoilt(good), spoilt(good), ODD).map(lambda value: json.dumps(value).encode())
    raw = st.one_of(st.binary(max_size=200), st.just(DEEP), TEXTS.map(lambda text: text.encode(errors="replace")))
    body = st.one_of(said, said, said, raw)
    headers = st.lists(st.tuples(st.sampled_from(HEADERS), st.sampled_from(WORDS)), max_size=2)
    return st.builds(_answer, st.one_of(st.just("200 OK"), st.sampled_from(STATUSES)), headers, body)


def _answer(status: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(name.format(value) for name, value in headers)]
    if not any(name.startswith(("Content-Length", "Transfer")) for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    if not any(name.startswith("Content-Type") for name, _ in headers):
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


@dataclass(slots=True)
class Talker:
    """Says `answer` to whoever asks; `ask` runs a call to its end on the loop of the server."""

    answer: bytes = b""
    url: str = ""
    runner: asyncio.Runner = field(default_factory=lambda: asyncio.Runner(loop_factory=asyncio.new_event_loop))

    async def reply(self, _: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(self.answer)

    def ask(self, call: Coroutine[Any, Any, _T]) -> _T | CanaryError:
        """Return what `call` returns, or the error of our family that it raises; all others are not caught."""

        async def bounded() -> _T | CanaryError:
            try:
                async with asyncio.timeout(30):
                    return await call
            except CanaryError as error:
                return error

        return self.runner.run(bounded())

    def keep(self, part: AbstractAsyncContextManager[_T]) -> Iterator[_T]:
        """Hold something open on the loop, as a fixture does."""
        yield self.runner.run(part.__aenter__())
        self.runner.run(part.__aexit__(None, None, None))


def talker() -> Iterator[Talker]:
    """The server and its loop, for a fixture of a module."""
    made = Talker()

    @asynccontextmanager
    async def listening() -> AsyncIterator[None]:
        async with raw_server(made.reply) as server:
            made.url = server.url
            yield

    with made.runner:
        yield from (made for _ in made.keep(listening()))
