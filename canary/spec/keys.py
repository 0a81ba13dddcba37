"""What an annotation is: one row of the table in table.py, with the converter that reads its text.

A converter turns the text into the JSON of one field of the Canary's spec. Where the schema can check the value, the
converter passes on what it cannot convert, so that ranges stand in one place; else it raises ValueError with what is
allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from canary.rollout.model import Builtin
from canary.spec.queries import split_limit

PREFIX = "canary.delivery/"
CHECK = "check."
CHECKS = ("analysis", "checks")
OFF = "off"
EXACT = 1e15
"""Below it a float that is whole is the very number that was written."""
LONGEST_NUMBER = 10
"""So many characters are no number that any key allows; Python reads huge ones slowly."""


class Group(StrEnum):
    """The headings of the reference page."""

    BASICS = "Opting in, and where requests come in"
    STEPS = "Steps"
    CHECKS = "Checks"
    RUNNING = "Pods, configuration and holding back"
    PEOPLE = "Messages and commands"


Convert = Callable[[str], Any]
"""From the text to JSON; None for "leave the field out". Raises ValueError with what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One annotation: its name after the prefix, and the path of its field in the spec of a Canary, () for none.

    `assumed` is the value that stands for a missing annotation. `default` is what the reference says of that.
    """

    name: str
    path: tuple[str, ...]
    group: Group
    doc: str
    allowed: str
    default: str
    example: str
    convert: Convert = str
    assumed: str | None = None


def flag(text: str) -> bool:
    """Return the truth of `true` and `false`."""
    if text not in ("true", "false"):
        raise ValueError('"true" or "false"')
    return text == "true"


def whole(text: str) -> int | str:
    """Return the number of a text of digits; any other text as it is."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < LONGEST_NUMBER else text


def success_rate(text: str) -> dict[str, Any] | None:
    """Return the check of the success rate, None for `off`."""
    if text == OFF:
        return None
    return {"name": Builtin.SUCCESS_RATE.value, "builtin": Builtin.SUCCESS_RATE.value, "min": _number(text)}


def _number(text: str) -> int | float | str:
    """Return the number of `99`, `99.5` or `99.5%`, or the text itself, which the schema then reports."""
    bare = text.removesuffix("%").strip()
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", bare):
        return text
    value = float(bare)
    return int(value) if value.is_integer() and len(bare) < LONGEST_NUMBER else value


def latency(builtin: Builtin) -> Convert:
    """Return the converter to a check of that latency, None for `off`."""

    def convert(text: str) -> dict[str, Any] | None:
        return None if text == OFF else {"name": builtin.value, "builtin": builtin.value, "max": text}

    return convert


def custom_check(name: str) -> Convert:
    """Return the converter of `check.NAME`: from `QUERY <= NUMBER` or `QUERY >= NUMBER` to a check of that name."""

    def convert(text: str) -> dict[str, Any]:
        limited = split_limit(text)
        is_whole = limited.limit.is_integer() and abs(limited.limit) < EXACT
        limit = int(limited.limit) if is_whole else limited.limit
        return {"name": name, "query": limited.query, limited.side.value: limit}

    return convert
