"""In which order keys get a worker that wait for one; nobody waits for ever."""

from __future__ import annotations

import pytest

from canary.controller.due import ONE_IN, SERVED_S, TOO_LONG_S, Due
from canary.controller.haste import Haste

A, B, C = (("shop", name) for name in "abc")


def test_none_that_waits_is_an_error_to_take() -> None:
    due = Due()
    assert (len(due), due.hurried) == (0, False)
    with pytest.raises(IndexError):
        due.take(0.0)


def test_a_key_has_one_place_and_the_last_it_was_given() -> None:
    due = Due()
    for key, haste in ((A, Haste.REST), (B, Haste.NEWS), (A, Haste.FIRST)):
        due.put(key, haste, 0.0)
    assert (len(due), set(due), due.hurried) == (2, {A, B}, True)
    assert [due.take(0.0), due.take(0.0)] == [A, B]
    assert (len(due), due.hurried, A in due) == (0, False, False)


@pytest.mark.parametrize("haste", [Haste.FIRST, Haste.NEWS])
def test_in_a_hurry_it_does_not_matter_who_was_served(haste: Haste) -> None:
    due = Due()
    due.put(A, Haste.REST, 0.0)
    due.take(0.0)
    for key in (A, B):
        due.put(key, haste, 1.0)
    assert due.take(1.0) == A


@pytest.mark.parametrize(("after_s", "first"), [(SERVED_S - 0.1, B), (SERVED_S + 0.1, A)])
def test_who_was_served_lately_comes_after_who_was_not(after_s: float, first: tuple[str, str]) -> None:
    due = Due()
    due.put(A, Haste.REST, 100.0)
    due.take(100.0)
    for key in (A, B):
        due.put(key, Haste.REST, 100.0 + after_s)
    assert due.take(100.0 + after_s) == first


def test_one_in_some_is_who_waits_longest_once_that_is_too_long() -> None:
    due = Due()
    due.put(A, Haste.REST, 0.0)
    due.put(B, Haste.REST, 1.0)
    taken = []
    for number in range(3 * ONE_IN):
        now = TOO_LONG_S - 1.25 + number * 0.5
        due.put(C, Haste.FIRST, now)
        taken.append(due.take(now))
    assert [number + 1 for number, key in enumerate(taken) if key == A] == [ONE_IN]
    assert [number + 1 for number, key in enumerate(taken) if key == B] == [2 * ONE_IN]
    assert len(due) == 0


def test_places_that_were_given_up_are_cleared_away_though_none_of_them_comes_to_the_front() -> None:
    due = Due()
    due.put(C, Haste.FIRST, 0.0)
    for _ in range(1000):
        due.put(A, Haste.REST, 0.0)
        due.put(A, Haste.NEWS, 0.0)
        due.put(B, Haste.REST, 0.0)
    assert len(due._heap) < 100
    assert [due.take(0.0) for _ in range(3)] == [C, A, B]
