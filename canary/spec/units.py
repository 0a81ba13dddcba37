"""Durations and percentages as users write them. Each parser raises ValueError with what is allowed as its message."""

from __future__ import annotations

import re
from datetime import timedelta

DURATION_PATTERN = r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,9}ms)?$"
"""Accepts the empty string too, which `parse_duration` refuses."""

_PARTS = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?(?:(\d{1,9})ms)?", re.ASCII)
_LONGEST = timedelta(days=365)


def parse_duration(text: str, *, least: timedelta = timedelta(milliseconds=1), most: timedelta = _LONGEST) -> timedelta:
    """Return the duration of `90s`, `1m30s`, `500ms`, `2h`: whole numbers with h, m, s, ms, in that order.

    Raises ValueError for anything else and outside `least` to `most`.
    """
    match = _PARTS.fullmatch(text.strip())
    allowed = f"a duration such as 90s, 1m30s or 500ms, from {format_duration(least)} to {format_duration(most)}"
    if match is None or not any(match.groups()):
        raise ValueError(allowed)
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in match.groups())
    value = timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    if not least <= value <= most:
        raise ValueError(allowed)
    return value


def format_duration(value: timedelta) -> str:
    """Return a duration as `parse_duration` reads it, in whole milliseconds: `1m30s`; `0s` for none."""
    left = round(value / timedelta(milliseconds=1))
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_percent(text: str, *, least: float = 0.0, most: float = 100.0) -> float:
    """Return the percentage of `99`, `99.5` or `99.5%`. Raises ValueError outside `least` to `most`."""
    allowed = f"a percentage such as 99 or 99.5, from {least:g} to {most:g}"
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,17})?)\s*%?", text.strip(), re.ASCII)
    if match is None or not least <= float(match[1]) <= most:
        raise ValueError(allowed)
    return float(match[1])
