"""Reads the fields of route objects strictly: what these tables of meshes do not know is an error, never a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from canary.errors import ConfigError


def only(entry: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    """Raise `ConfigError` when the entry has other fields than these."""
    unknown = sorted(set(entry) - known)
    if unknown:
        raise ConfigError(f"{where}: the sandbox does not know {', '.join(unknown)}; take it out of the object")


def duration(text: str, where: str) -> float:
    """Return the seconds of a duration such as `1m1.5s`, or raise `ConfigError`."""
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?", text)
    if not text or parts is None:
        raise ConfigError(f"{where}: timeout {text!r} is not a duration such as 15s")
    hours, minutes, seconds, millis = (float(part or 0) for part in parts.groups())
    return hours * 3600 + minutes * 60 + seconds + millis / 1000
