"""The table at the end of `make test-faults`: how often each story was told, with which faults, how many broke, and how
long they took.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TALE = "tale"
"""The name of a test's property that is a row, or a part of one."""
SECONDS = "seconds"
"""The name of a test's property that says how long it took, where that is not how long was waited for it."""
IN_MEMORY = "stories under foul weather"
ON_A_CONTROL_PLANE = "on a real control plane"
UNDER_TRAFFIC = "under real traffic, by the moment that was hit"
BROKEN = "broke before it could say what it told"


def tale(story: str, faults: Mapping[Any, int], where: str = IN_MEMORY) -> str:
    """Return what a test records under TALE."""
    return json.dumps({"where": where, "story": story, "faults": faults})


@dataclass(slots=True)
class Row:
    """One story: how often it was told, how often it did not end as it must, and the faults in it."""

    runs: int = 0
    broken: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)


class Table:
    """Rows by where they were told and what was told, in the order in which they came."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Row]] = {}

    def take(self, properties: Sequence[tuple[str, object]], *, broken: bool, seconds: float = 0.0) -> None:
        """Count the tales among the properties of one test; they share its seconds: the property, else the argument."""
        tales = [json.loads(str(told)) for name, told in properties if name == TALE]
        took = float(str(dict(properties).get(SECONDS, seconds)))
        for one in tales:
            row = self._row(one["where"], one["story"])
            row.runs += 1
            row.broken += broken
            row.seconds += took / len(tales)
            row.faults.update(one["faults"])

    def broke(self, name: str) -> None:
        """Count a test that broke before it could say what it told."""
        row = self._row(BROKEN, name)
        row.runs += 1
        row.broken += 1

    def _row(self, where: str, story: str) -> Row:
        return self._rows.setdefault(where, {}).setdefault(story, Row())

    def sections(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each place with its lines."""
        for where, rows in sorted(self._rows.items(), key=lambda each: each[0] != IN_MEMORY):
            yield where, list(_lines(rows))


def _lines(rows: dict[str, Row]) -> Iterator[str]:
    columns = list(dict.fromkeys(fault for row in rows.values() for fault in sorted(row.faults)))
    width = max(len(name) for name in rows)
    head = "  ".join(f"{each:>4}" for each in columns)
    yield f"{'':{width}}  runs  broken  seconds  {head}".rstrip()
    for name, row in sorted(rows.items()):
        cells = "  ".join(f"{row.faults[each]:>{max(4, len(each))}}" for each in columns)
        yield f"{name:{width}}  {row.runs:>4}  {row.broken:>6}  {row.seconds:>7.0f}  {cells}".rstrip()
    seconds = sum(row.seconds for row in rows.values())
    total, broken = sum(row.faults.total() for row in rows.values()), sum(row.broken for row in rows.values())
    yield f"{sum(row.runs for row in rows.values())} runs with {total} faults, {broken} broken, {seconds:.0f} s"
