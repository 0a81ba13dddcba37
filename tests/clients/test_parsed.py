"""Answers in chunks: joined or cut into lines, and never without end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from canary.clients.parsed import cut, lines_of, parsed, seconds, whole
from canary.errors import Unavailable

MIB = 1024 * 1024


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class Endless:
    """Chunks without end, and how many were taken."""

    def __init__(self) -> None:
        self.taken = 0

    async def read(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += 1
            yield b"x" * (MIB // 4)


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        ([b"a\nb\n"], [[b"a", b"b"]]),
        ([b"a", b"b\nc", b"\n"], [[b"ab"], [b"c"]]),
        ([b"\n\na\n\n"], [[b"a"]]),
        ([b"a\nunfinished"], [[b"a"]]),
        ([], []),
    ],
)
async def test_lines_are_put_together_from_chunks(parts: Sequence[bytes], lines: Sequence[Sequence[bytes]]) -> None:
    assert [line async for line in lines_of(chunks(*parts), MIB, "it")] == lines


async def test_a_line_without_end_is_given_up() -> None:
    endless = Endless()
    with pytest.raises(Unavailable, match=r"^it: an event is larger than 1 MiB$"):
        [line async for line in lines_of(endless.read(), MIB, "it")]
    assert endless.taken == 5


async def test_an_answer_without_end_is_given_up() -> None:
    endless = Endless()
    with pytest.raises(Unavailable, match=r"^it: the answer is larger than 1 MiB$"):
        await whole(endless.read(), MIB, "it")
    assert endless.taken == 5
    assert await whole(chunks(b"a", b"b"), MIB, "it") == b"ab"


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"", b"{", b"\xff", "9" * 5000])
def test_what_is_no_json_is_a_value_error(raw: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(raw)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("7.5", None),
        ("-1", None),
        ("²", None),
        ("9" * 400, 86400.0),
    ],
)
def test_a_wait_is_whole_seconds_of_a_day_at_most(header: str | None, wait: float | None) -> None:
    assert seconds(header) == wait


def test_a_text_that_is_cut_says_so() -> None:
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "ab…")
