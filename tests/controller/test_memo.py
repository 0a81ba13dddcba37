"""What is remembered of cached objects: once for each object, and of the last few only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from canary.controller.memo import UNUSED_S, Memo


def test_the_same_object_is_computed_once_and_an_equal_one_anew() -> None:
    seen: list[Mapping[str, Any]] = []

    def size(part: Mapping[str, Any]) -> int:
        seen.append(part)
        return len(part)

    sizes = Memo(size)
    one, equal = {"a": 1}, {"a": 1}
    assert [sizes(one), sizes(one), sizes(equal), sizes(one)] == [1, 1, 1, 1]
    assert [part is one for part in seen] == [True, False]


def test_of_more_than_are_kept_those_that_were_asked_for_last_stay() -> None:
    computed: list[int] = []

    def number(part: Mapping[str, Any]) -> int:
        computed.append(part["number"])
        return int(part["number"])

    numbers = Memo(number, kept=2)
    parts = [{"number": each} for each in range(3)]
    for each in (0, 1, 0, 2, 0, 1):
        assert numbers(parts[each]) == each
    assert computed == [0, 1, 2, 1]


def test_what_cannot_be_computed_is_tried_again() -> None:
    tries: list[int] = []

    def fails_once(part: Mapping[str, Any]) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return len(part)

    memo, part = Memo(fails_once), {"a": 1}
    with pytest.raises(ValueError, match="not yet"):
        memo(part)
    assert (memo(part), memo(part), len(tries)) == (1, 1, 2)


def test_of_what_has_a_name_only_the_newest_part_is_kept() -> None:
    sizes: Memo[int] = Memo(len)
    parts: list[Mapping[str, Any]] = [{}, {"a": 1}, {"a": 1, "b": 2}]
    assert [sizes(part, of=("shop", "app")) for part in parts] == [0, 1, 2]
    assert len(sizes) == 1
    assert (sizes(parts[0], of=("shop", "other")), sizes(parts[2], of=("shop", "app")), len(sizes)) == (0, 2, 2)


def test_what_nobody_asks_for_is_forgotten_after_a_minute() -> None:
    now = 0.0
    sizes: Memo[int] = Memo(len, clock=lambda: now)
    idle, busy, late = {"a": 1}, {"b": 2}, {"c": 3}
    sizes(idle)
    now = UNUSED_S
    sizes(busy)
    assert len(sizes) == 2
    now = UNUSED_S + 1
    sizes(late)
    assert len(sizes) == 2
    assert sizes(busy) == 1
    assert len(sizes) == 2


def test_what_somebody_knows_is_not_computed() -> None:
    def never(part: Mapping[str, Any]) -> str:
        raise AssertionError(part)

    memo: Memo[str] = Memo(never, kept=2)
    parts = [{"a": 1}, {"a": 1}, {"a": 1}]
    for number, part in enumerate(parts):
        memo.know(part, f"answer {number}", of=number)
    assert [memo(parts[number], of=number) for number in (1, 2)] == ["answer 1", "answer 2"]
    assert len(memo) == 2
    with pytest.raises(AssertionError):
        memo({"a": 1}, of=2)
