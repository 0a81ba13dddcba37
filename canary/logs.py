"""Sets structlog up: JSON lines for a cluster, aligned text for a person. Not its job: what is logged.

What other packages log through the standard library comes out in the same form, warnings and worse only. Two things
hold for every line, whoever wrote it: it is bounded in length, and what looks like a credential is masked. That is the
last line of defence; nothing is to log one in the first place.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from itertools import islice
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

LONGEST_TEXT = 2000
LONGEST_TRACE = 8000
PART = 500
MOST_ENTRIES = 20
LONGEST_CREDENTIAL = 1000
MASK = "***"

_SECRETS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@'\"]{1,900}@"  # user and password of a URL
    r"|(?P<kind>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<hook>\bhooks\.slack\.com/)(?:services|workflows|triggers)/[\w/-]+"
    r"|\bx(?:ox[a-z]|app)-[\w-]{8,}",
    re.IGNORECASE,
)

_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=True)
"""Made once, not for each line; `bounded` leaves nothing in a line that it does not know."""


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    CONSOLE = "console"


def set_up(log_format: LogFormat, *, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send all log lines to `stream` (standard error by default), one event a line, with time and level."""
    out = stream or sys.stderr
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_as_json)
        if log_format is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    both: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [structlog.processors.format_exc_info, bounded, renderer]
    structlog.configure(
        processors=[*both, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*both, structlog.stdlib.ExtraAdder(), _foreign],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def _as_json(event: EventDict, **_: object) -> str:
    return _JSON.encode(event)


def bounded(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Cut long texts, which then end in "…", and mask credentials, in all values of a line."""
    return {key: _value(value, LONGEST_TRACE if key == "exception" else LONGEST_TEXT) for key, value in event.items()}


def _foreign(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Make what another package said a fact of one fixed event."""
    return {**event, "event": "package_warned", "text": event.get("event")}


def _value(value: Any, longest: int) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {_text(str(key), PART): _text(str(each), PART) for key, each in islice(value.items(), MOST_ENTRIES)}
        case list() | tuple():
            return [_text(str(each), PART) for each in value[:MOST_ENTRIES]]
        case _:
            return _text(str(value), longest)


def _text(text: str, longest: int) -> str:
    """Return the text masked, then cut, so that no part of a credential stands before the cut."""
    shown = _SECRETS.sub(_masked, text[: longest + LONGEST_CREDENTIAL])
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _masked(found: re.Match[str]) -> str:
    if found["scheme"]:
        return f"{found['scheme']}{MASK}@"
    return f"{found['kind'] or found['hook'] or ''}{MASK}"
