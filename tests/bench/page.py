"""The figures of the bench in docs/performance.md, between two marks. The text around them is written by hand."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tests.bench.report import LINES, Figures, Line, broken

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
PLACE = re.compile(r"(<!-- figures, .*? -->\n\n).*?(\n\n<!-- end of the figures -->)", re.DOTALL)


def markdown(found: Sequence[Figures]) -> str:
    """Return the figures as a table with a column for each size, and which budgets were broken."""
    heads = "".join(f" {each.registered:,} registered, {each.running} running |" for each in found)
    rows = [f"| |{heads} budget |", "|---" * (len(found) + 2) + "|", *(_row(line, found) for line in LINES)]
    cores = f"Measured by `make bench` on a machine with {os.cpu_count()} cores."
    faults = [f"- {fault}" for each in found for fault in broken(each)]
    told = ["", "Broken budgets:", "", *faults] if faults else ["", "No budget was broken."]
    return "\n".join([cores, "", *rows, *told])


def _row(line: Line, found: Sequence[Figures]) -> str:
    values = "".join(f" {line.shown(line.value(each))} |" for each in found)
    return f"| {line.name} |{values} {'' if line.most is None else line.shown(line.most)} |"


def write(found: Sequence[Figures], page: Path = PAGE) -> None:
    """Write the figures into the page. Raises ValueError when it has not exactly one place for them."""
    told = markdown(found)
    text, places = PLACE.subn(lambda place: place[1] + told + place[2], page.read_text(encoding="utf-8"))
    if places != 1:
        raise ValueError(f"{page.name} has {places} places for the figures; one is needed")
    page.write_text(text, encoding="utf-8")
