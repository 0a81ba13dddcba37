"""What the stand-in for Slack answers, in Slack's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Slack answers over HTTP."""

    body: Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def ok(**said: Any) -> Answer:
    """Return Slack's answer that all is well."""
    return Answer(body={"ok": True, **said})


def error(code: str, **said: Any) -> Answer:
    """Return Slack's answer that something is not."""
    return Answer(body={"ok": False, "error": code, **said})


def limited(wait: int) -> Answer:
    """Return Slack's answer that calls come too often, and may come again after so many seconds."""
    return Answer(status=429, body={"ok": False, "error": "ratelimited"}, headers={"Retry-After": str(wait)})
