"""JSON merge patches (RFC 7386) that lead from a live object to what is wanted, as small as can be; {} for none.

Two kinds of maps: those that are shared with others, where only the wanted keys count (`overlay`), and those that are
ours whole, where a key too many goes (`exact`). Lists are compared and replaced whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def overlay(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that makes every key of `wanted` so; other keys of `live` stay."""
    patch: dict[str, Any] = {}
    for key, value in wanted.items():
        has = live.get(key)
        if has == value:
            continue
        if isinstance(value, Mapping) and isinstance(has, Mapping):
            inner = overlay(has, value)
            if inner:
                patch[key] = inner
        elif not (_empty(has) and _empty(value)):
            patch[key] = value
    return patch


def exact(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that makes `live` equal to `wanted`."""
    patch: dict[str, Any] = {key: None for key, value in live.items() if key not in wanted and not _empty(value)}
    for key, value in wanted.items():
        has = live.get(key)
        if has == value:  # most of an object, whatever is in it: compared without a look inside
            continue
        if isinstance(value, Mapping) and isinstance(has, Mapping):
            inner = exact(has, value)
            if inner:
                patch[key] = inner
        elif not (_empty(has) and _empty(value)):
            patch[key] = value
    return patch


def _empty(value: Any) -> bool:
    """Return whether a value is one that the API server leaves out: null, "", false, {}, []. A 0 is not."""
    return value is None or value is False or value in ("", {}, [])
