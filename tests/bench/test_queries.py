"""The table of queries a minute: what the page says is what is counted, and the two ways of asking agree."""

from __future__ import annotations

from itertools import count

import pytest

from tests.bench import queries
from tests.bench.queries import PAGE, ROWS, SIZES, cells


def on_the_page(row: str, size: int) -> str:
    """What the page says of a row and a number of canaries."""
    line = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {row} |"))
    found = line.strip("| ").split(" | ")
    at = 1 + 2 * SIZES.index(size)
    return " | ".join(found[at : at + 2])


@pytest.mark.parametrize("row", ROWS)
def test_the_page_has_the_queries_of_ten_canaries(row: str) -> None:
    assert on_the_page(row, 10) == cells(row, 10)


def test_as_much_is_asked_of_a_prometheus_without_series() -> None:
    assert queries.measured("istio", 4, most=4) == queries.measured("istio", 4, most=0)


def test_a_table_of_answers_that_differ_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right, calls = queries.shown, count()
    monkeypatch.setattr(queries, "shown", lambda values: {**right(values), "call": [str(next(calls))]})
    with pytest.raises(ValueError, match="have other values"):
        queries.measured("istio", 1)
