"""The table at the end of `make test-faults`: how often each story was told, with which faults, and how many broke."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

TALE = "tale"
"""The name of a test's property that is a row, or a part of one."""
IN_MEMORY = "stories under foul weather"
ON_A_CONTROL_PLANE = "on a real control plane"
UNDER_TRAFFIC = "under real traffic, by the moment that was hit"


def tale(story: str, faults: Mapping[Any, int], where: str = IN_MEMORY) -> str:
    """Return what a test records under TALE."""
    return json.dumps({"where": where, "story": story, "faults": faults})


@dataclass(slots=True)
class Row:
    """One story: how often it was told, how often it did not end as it must, and the faults in it."""

    runs: int = 0
    broken: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class Table:
    """Rows by where they were told and what was told, in the order in which they came."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Row]] = {}

    def take(self, properties: Iterable[tuple[str, object]], *, broken: bool) -> None:
        """Count the tales among the properties of one test."""
        for name, told in properties:
            if name == TALE:
                one = json.loads(str(told))
                row = self._rows.setdefault(one["where"], {}).setdefault(one["story"], Row())
                row.runs += 1
                row.broken += broken
                row.faults.update(one["faults"])

    def sections(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each place with its lines."""
        for where, rows in sorted(self._rows.items(), key=lambda each: each[0] != IN_MEMORY):
            yield where, list(_lines(rows))


def _lines(rows: dict[str, Row]) -> Iterator[str]:
    columns = list(dict.fromkeys(fault for row in rows.values() for fault in sorted(row.faults)))
    width = max(len(name) for name in rows)
    yield f"{'':{width}}  runs  broken  " + "  ".join(f"{each:>4}" for each in columns)
    for name, row in sorted(rows.items()):
        cells = "  ".join(f"{row.faults[each]:>{max(4, len(each))}}" for each in columns)
        yield f"{name:{width}}  {row.runs:>4}  {row.broken:>6}  {cells}"
    total, broken = sum(row.faults.total() for row in rows.values()), sum(row.broken for row in rows.values())
    yield f"{sum(row.runs for row in rows.values())} runs with {total} faults, {broken} broken"
