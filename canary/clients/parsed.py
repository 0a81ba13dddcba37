"""Answers as text and JSON, whatever the other side sends: one kind of error, and bounded words about it."""

from __future__ import annotations

import json
from typing import Any

SHOWN = 200


def parsed(raw: bytes | str) -> Any:
    """Return the JSON of an answer. Raises ValueError for all else, nesting without end included."""
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def cut(text: str, longest: int = SHOWN) -> str:
    """Return at most `longest` characters of a text; what is cut ends in "…"."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def seconds(header: str | None) -> float | None:
    """Return the seconds of a Retry-After, None without one. Its other form, a date, needs the server's clock and is
    left out; nobody waits for longer than a day."""
    said = (header or "").strip()
    return min(float(said), 86400.0) if said.isdecimal() else None
