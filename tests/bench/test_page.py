"""The table of figures: each line of the report with its budget, and what was broken, in its place on the page."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import page
from tests.bench.page import PAGE, PLACE, markdown, write
from tests.bench.report import LINES, Figures, Steady, broken
from tests.bench.world import EFFECTS

QUIET = Steady(seconds=10.0, cores=0.001, reads=0, writes=0, queries=0)
GOOD = Figures(
    registered=1000,
    running=100,
    onboarding_s=60.0,
    onboarding_cpu_s=40.0,
    rest=QUIET,
    steady=replace(QUIET, seconds=40.0, cores=0.1, writes=100, queries=50),
    step=replace(QUIET, seconds=20.0, writes=500),
    interval_s=30.0,
    seconds={event: [0.1] * 98 + [0.5, 0.9] for event in EFFECTS},
    onboarded_mib=170.0,
    rss_mib=190.0,
    peak_mib=200.0,
)


def test_the_page_has_one_place_for_the_figures() -> None:
    assert len(PLACE.findall(PAGE.read_text(encoding="utf-8"))) == 1


def test_every_line_of_the_report_is_a_row_with_its_value_and_budget() -> None:
    told = markdown([GOOD, replace(GOOD, registered=2000)])
    rows = [line for line in told.splitlines() if line.startswith("| ")]
    assert rows[0] == "| | 1,000 registered, 100 running | 2,000 registered, 100 running | budget |"
    assert len(rows) == len(LINES) + 1
    assert "| abort to weight 0, p99 | 0.9 s | 0.9 s | 1 s |" in rows
    assert "| memory after onboarding | 170 MiB | 170 MiB | 256 MiB |" in rows
    assert "| queries of a rollout, an evaluation | 0.5 | 0.5 |  |" in rows
    assert "| writes of a rollout, a step and its evaluations | 5 | 5 | 7 |" in rows
    assert told.endswith("No budget was broken.")


def test_a_broken_budget_is_named_under_the_table() -> None:
    worse = replace(GOOD, rss_mib=300.0, rest=replace(QUIET, writes=3))
    assert list(broken(worse)) == [
        "1,000 registered: requests of idle canaries: 3, the budget is 0",
        "1,000 registered: memory at the end: 300 MiB, the budget is 256 MiB",
    ]
    assert markdown([worse]).endswith("".join(f"\n- {fault}" for fault in broken(worse)))


def test_the_table_replaces_what_stood_in_its_place_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "performance.md"
    place.write_text("a\n\n<!-- figures, x -->\n\nold\n\n<!-- end of the figures -->\n\nb\n", encoding="utf-8")
    write([GOOD], place)
    before, after = "a\n\n<!-- figures, x -->\n\n", "\n\n<!-- end of the figures -->\n\nb\n"
    assert place.read_text(encoding="utf-8") == before + markdown([GOOD]) + after


def test_a_page_without_a_place_for_the_table_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "performance.md"
    place.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has 0 places for the figures"):
        write([GOOD], place)
    assert place.read_text(encoding="utf-8") == "nothing\n"


@pytest.mark.parametrize(
    ("found", "told"), [(GOOD, ""), (replace(GOOD, onboarded_mib=300.0), "memory after onboarding: 300 MiB")]
)
def test_the_command_writes_the_page_and_ends_with_1_when_a_budget_is_broken(
    found: Figures, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measured(size: int) -> Figures:
        return replace(found, registered=size)

    written: list[int] = []
    monkeypatch.setattr(bench, "measure", measured)
    monkeypatch.setattr(page, "write", lambda found: written.extend(each.registered for each in found))
    monkeypatch.setattr(sys, "argv", ["bench", "--write", "40", "1000"])
    with pytest.raises(SystemExit, match=told) if told else nullcontext():
        bench.main()
    assert written == [40, 1000]
