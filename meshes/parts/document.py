"""Reads JSON that anybody may have written: what has the wrong type counts as absent, and nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def table(value: object) -> Mapping[str, Any]:
    """Return the value if it is an object, else an empty one."""
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[Any]:
    """Return the value if it is an array, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def whole(value: object) -> int | None:
    """Return the value if it is a whole number, else None. A boolean is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
