"""Prometheus's text format, read and written.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

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


def written(labels: Mapping[str, str]) -> str:
    """Return labels as they stand between the braces of a series."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def histogram(name: str, labels: str, edges: Sequence[float], counts: Sequence[int], total: float) -> Iterator[str]:
    """Yield the lines of a classic histogram.

    `edges` rise; `counts` has one number for each bucket, not cumulative, and one more for what lies above; `total` is
    the sum of what was observed.
    """
    rising = list(itertools.accumulate(counts))
    comma = "," if labels else ""
    for edge, count in zip(edges, rising, strict=False):
        yield f'{name}_bucket{{{labels}{comma}le="{edge:.12g}"}} {count}'
    yield f'{name}_bucket{{{labels}{comma}le="+Inf"}} {rising[-1]}'
    yield f"{name}_sum{{{labels}}} {total:.12g}"
    yield f"{name}_count{{{labels}}} {rising[-1]}"
