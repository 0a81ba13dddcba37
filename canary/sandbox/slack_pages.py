"""Reads what is listed page by page, as Slack's conversations methods do: `oldest`, `latest`, `limit` and cursors.

https://docs.slack.dev/apis/web-api/pagination and https://docs.slack.dev/reference/methods/conversations.history.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

MOST = 999
USUAL = 100

T = TypeVar("T")


class WrongArgumentError(Exception):
    """An argument that Slack refuses; the text is its code."""


def between(found: Sequence[T], ts_of: Callable[[T], str], arguments: Mapping[str, Any]) -> list[T]:
    """Return what is later than `oldest` and earlier than `latest`; with `inclusive` those of the same moment too."""
    oldest, latest = (_micros(arguments.get(name), name) for name in ("oldest", "latest"))
    closed = 1 if str(arguments.get("inclusive", "")).lower() in ("1", "true") else 0
    return [
        one
        for one in found
        if (oldest is None or micros(ts_of(one)) > oldest - closed)
        and (latest is None or micros(ts_of(one)) < latest + closed)
    ]


def page(found: Sequence[T], key: Callable[[T], str], arguments: Mapping[str, Any]) -> tuple[Sequence[T], str]:
    """Return one page and the cursor of the next, "" after the last. A cursor names the last that was shown before."""
    try:
        limit = int(arguments.get("limit", USUAL))
    except ValueError:
        raise WrongArgumentError("invalid_limit") from None
    if not 1 <= limit <= MOST:
        raise WrongArgumentError("invalid_limit")
    start = _after(found, key, str(arguments.get("cursor") or ""))
    shown = found[start : start + limit]
    more = start + limit < len(found)
    return shown, base64.b64encode(f"after:{key(shown[-1])}".encode()).decode() if more else ""


def _after(found: Sequence[T], key: Callable[[T], str], cursor: str) -> int:
    if not cursor:
        return 0
    try:
        word, _, last = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise WrongArgumentError("invalid_cursor") from None
    at = next((number for number, one in enumerate(found) if key(one) == last), None)
    if word != "after" or at is None:
        raise WrongArgumentError("invalid_cursor")
    return at + 1


def micros(ts: str) -> int:
    """Return a message's ts as microseconds. Raises ValueError for what is none."""
    whole, _, part = ts.partition(".")
    return int(whole) * 1_000_000 + int(f"{part:0<6}"[:6])


def _micros(ts: Any, name: str) -> int | None:
    if ts in (None, "", 0, "0"):
        return None
    try:
        return micros(str(ts))
    except ValueError:
        raise WrongArgumentError(f"invalid_ts_{name}") from None
