"""Reading Prometheus's text format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PAIR = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(?:,|$)')
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def samples(text: str) -> Iterator[tuple[str, float]]:
    """Yield each sample as its unparsed series (name and labels, for `labels_of`) and its value.

    Time stamps are ignored, as with `honor_timestamps: false`. Raises `ValueError` for a line that is no sample.
    """
    for line in text.splitlines():
        if not line or line.startswith("#") or line.isspace():
            continue
        end = line.rfind("}") + 1
        head, rest = (line[:end], line[end:].split()) if end else _bare(line)
        if not 1 <= len(rest) <= 2:
            raise ValueError(f"no sample: {line[:200]!r}")
        yield head, float(rest[0])


def _bare(line: str) -> tuple[str, list[str]]:
    name, *rest = line.split()
    return name, rest


def labels_of(head: str) -> dict[str, str]:
    """Return the labels of a series, its name as `__name__`. Raises `ValueError`."""
    name, brace, inside = head.strip().partition("{")
    name = name.strip()
    if not _NAME.fullmatch(name) or (brace and not inside.endswith("}")):
        raise ValueError(f"no series: {head[:200]!r}")
    labels = {"__name__": name}
    inside = inside.removesuffix("}").rstrip()
    place = 0
    while place < len(inside):
        pair = _PAIR.match(inside, place)
        if pair is None:
            raise ValueError(f"no labels: {head[:200]!r}")
        labels[pair[1]] = re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), pair[2])
        place = pair.end()
    return labels
