"""What a check read, in the unit of what it measures."""

from __future__ import annotations

from datetime import timedelta

from canary.rollout.model import Builtin
from canary.spec.units import format_duration

LONGEST_S = 1e9


def shown(builtin: Builtin | None, value: float | None) -> str:
    """Return a value in the unit of its check (None for a query of the user's own), `-` for no value."""
    if value is None:
        return "-"
    if builtin is None:
        return f"{value:.4g}"
    if builtin is Builtin.SUCCESS_RATE:
        return f"{value:.4g} %"
    if not 0 <= value <= LONGEST_S:  # a status may have been edited
        return f"{value:.4g} s"
    return format_duration(timedelta(seconds=value))
