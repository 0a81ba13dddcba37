"""Putting chosen samples, stale markers among them, into a real Prometheus: its remote-write protocol by hand.

https://prometheus.io/docs/specs/prw/remote_write_spec/ (protobuf, in a snappy block of literals only).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

import aiohttp

STALE = 0x7FF0000000000002
"""The bits of the NaN that is Prometheus's stale marker."""

Samples = Mapping[tuple[tuple[str, str], ...], Iterable[tuple[int, float | None]]]


async def write(url: str, series: Samples) -> None:
    """Store the samples (milliseconds, value; None is a stale marker) of each series, given by its labels."""
    body = b"".join(_field(1, _series(labels, pairs)) for labels, pairs in series.items())
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/v1/write", data=_snappy(body), headers=headers) as answer,
    ):
        assert answer.status == 204, await answer.text()


def _series(labels: Iterable[tuple[str, str]], pairs: Iterable[tuple[int, float | None]]) -> bytes:
    named = b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(labels))
    return named + b"".join(_field(2, _sample(at, value)) for at, value in pairs)


def _sample(at: int, value: float | None) -> bytes:
    bits = struct.pack("<Q", STALE) if value is None else struct.pack("<d", value)
    return b"\x09" + bits + b"\x10" + _varint(at)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _snappy(body: bytes) -> bytes:
    parts = [body[start : start + 60] for start in range(0, len(body), 60)]
    return _varint(len(body)) + b"".join(bytes([len(part) - 1 << 2]) + part for part in parts)
