"""Draws the phase diagram from the table of transitions, and keeps the copy over decide() up to date.

`python -m canary.rollout.diagram --check` exits 1 when that copy is stale, `--write` writes it anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from canary.rollout.phases import TRANSITIONS, Phase

BEGIN = "    [phases] drawn by canary.rollout.diagram"
END = "    [end of phases]"
SOURCE = Path(__file__).with_name("decide.py")


def render_diagram() -> str:
    """Return the phases as text: each with an arrow for every way out of it, in the order of the table."""
    width = max(len(phase) for phase in Phase)
    lines: list[str] = []
    for start in (None, *Phase):
        rows = [row for row in TRANSITIONS if row.start == start]
        ends = sorted({row.end for row in rows}, key=[row.end for row in rows].index)
        for number, end in enumerate(ends):
            name = (start or "-") if number == 0 else ""
            when = "; ".join(row.when for row in rows if row.end == end)
            lines.append(f"{name:<{width}} --> {end:<{width}}  {when}")
    return "\n".join(lines)


def redrawn(source: str) -> str:
    """Return `source` with the text between the two marks drawn anew. Raises ValueError when a mark is missing."""
    head, begin, rest = source.partition(BEGIN + "\n")
    _, end, tail = rest.partition(END + "\n")
    if not begin or not end:
        raise ValueError(f"decide.py lacks the line {BEGIN.strip()!r} or {END.strip()!r}; put both into its docstring")
    drawn = "".join(f"        {line}\n" for line in render_diagram().splitlines())
    return head + begin + drawn + end + tail


def main(arguments: list[str]) -> int:
    """Check or write the copy over decide(); return the exit status."""
    source = SOURCE.read_text(encoding="utf-8")
    wanted = redrawn(source)
    match arguments:
        case ["--write"]:
            SOURCE.write_text(wanted, encoding="utf-8")
            return 0
        case ["--check"]:
            return 0 if source == wanted else 1
        case _:
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
