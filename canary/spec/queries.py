"""PromQL that users write: its placeholders, and the comparison at its top that is the limit. Asking is not its job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import promql_parser

from canary.rollout.model import Limit

PLACEHOLDERS = ("namespace", "target", "primary", "service", "pods", "revision", "interval")
OF_ONE_SIDE = ("target", "pods", "revision")
"""The placeholders that tell the canary from the primary; a query with none of them has no counterpart there."""

LONGEST = 4000
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedQuery:
    """A query and its limit: the value passes at or under it (`max`), or at or over it (`min`)."""

    query: str
    side: Limit
    limit: float


def fill(query: str, values: Mapping[str, str]) -> str:
    """Return the query with its placeholders filled in, so that no value can leave its PromQL string.

    Backslashes, quotes and line ends are escaped as PromQL's double-quoted strings have it. `interval` stands outside
    of strings and must be a duration. Raises ValueError for an unknown placeholder.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            raise ValueError(f"a query with no other placeholders than {', '.join(PLACEHOLDERS)}")
        return re.sub(r"[\\\"'`\n\r]", lambda char: _ESCAPES[char[0]], values[name])

    return _PLACEHOLDER.sub(value, query)


_ESCAPES = {"\\": "\\\\", '"': '\\"', "'": "\\'", "`": "\\x60", "\n": "\\n", "\r": "\\r"}


def tells_sides_apart(query: str) -> bool:
    """Return whether a query can be asked of the primary too."""
    return any(match[1] in OF_ONE_SIDE for match in _PLACEHOLDER.finditer(query))


def check_query(query: str) -> None:
    """Raise ValueError, with what is allowed, when a query is no PromQL or has an unknown placeholder."""
    _parse(query)


def split_limit(text: str) -> LimitedQuery:
    """Return the query and the limit of `QUERY <= NUMBER` or `QUERY >= NUMBER`: the last comparison at the top.

    Raises ValueError, with what is allowed, for anything else.
    """
    parsed = _parse(text)
    allowed = "PromQL that ends in a comparison with a number, such as sum(queue_lag) <= 100"
    if not isinstance(parsed, promql_parser.BinaryExpr) or not isinstance(parsed.rhs, promql_parser.NumberLiteral):
        raise ValueError(allowed)
    sides = {"<=": Limit.MAX, ">=": Limit.MIN}
    side = sides.get(str(parsed.op))
    at = max(text.rfind("<="), text.rfind(">="))
    if side is None or at < 0 or not _is_number(text[at + 2 :], float(parsed.rhs.val)):
        raise ValueError(allowed)
    return LimitedQuery(query=text[:at].strip(), side=side, limit=float(parsed.rhs.val))


def _is_number(text: str, value: float) -> bool:
    """Return whether a text is that number and nothing else: no comment that holds another comparison, no `bool`."""
    try:
        parsed = promql_parser.parse(text)
    except ValueError:
        return False
    return isinstance(parsed, promql_parser.NumberLiteral) and float(parsed.val) == value


def _parse(query: str) -> promql_parser.Expr:
    if len(query) > LONGEST:
        raise ValueError(f"PromQL of at most {LONGEST} characters")
    sample = dict.fromkeys(PLACEHOLDERS, "x") | {"interval": "60s"}
    filled = fill(query, sample)
    try:
        return promql_parser.parse(filled)
    except ValueError as error:
        raise ValueError(f"PromQL ({str(error).splitlines()[0] if str(error) else 'it does not parse'})") from error
