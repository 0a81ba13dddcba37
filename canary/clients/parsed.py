"""Answers as text and JSON, whatever the other side sends: one kind of error, and bounded words about it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import orjson

from canary.errors import Unavailable

SHOWN = 200


def parsed(raw: bytes | str) -> Any:
    """Return the JSON of an answer. Raises ValueError for all else: NaN, half of a surrogate pair, nesting over 1,024.

    Field names that are met often are one string each, not one for each object, which is half of the size of a cache.
    """
    return orjson.loads(raw)


async def whole(chunks: AsyncIterator[bytes], longest: int, what: str) -> bytes:
    """Return the chunks of an answer together. Raises Unavailable as soon as they are more than `longest` bytes."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > longest:
            raise Unavailable(f"{what}: the answer is larger than {longest >> 20} MiB", outcome_unknown=True)
    return bytes(body)


async def lines_of(chunks: AsyncIterator[bytes], longest: int, what: str) -> AsyncGenerator[list[bytes], None]:
    """Yield the lines of an answer that is still being written, those together that come to their end together.

    Empty ones are left out, and the last, which has no end yet. Raises Unavailable as soon as a line is longer than
    `longest` bytes.
    """
    rest = bytearray()
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest += first
        if len(rest) > longest:
            raise Unavailable(f"{what}: an event is larger than {longest >> 20} MiB")
        if others:
            lines = [bytes(rest), *others[:-1]]
            rest = bytearray(others[-1])
            if ended := [line for line in lines if line]:
                yield ended


def cut(text: str, longest: int = SHOWN) -> str:
    """Return at most `longest` characters of a text; what is cut ends in "…"."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def seconds(header: str | None) -> float | None:
    """Return the seconds of a Retry-After, None without one. Its other form, a date, needs the server's clock and is
    left out; nobody waits for longer than a day."""
    said = (header or "").strip()
    return min(float(said), 86400.0) if said.isdecimal() else None
