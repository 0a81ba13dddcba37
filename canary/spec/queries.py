"""PromQL that users write: its placeholders, and the comparison at its top that is the limit. Asking is not its job."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import promql_parser

from canary.rollout.model import Limit

PLACEHOLDERS = ("namespace", "target", "primary", "service", "pods", "revision", "interval")
OF_ONE_SIDE = ("target", "pods", "revision")
"""The placeholders that tell the canary from the primary; a query with none of them has no counterpart there."""
BARE = "interval"
"""The placeholder that is no text and may stand outside of strings: `[{{ interval }}]`."""

LONGEST = 4000
MOST_OPERATORS = 150
"""Operators and brackets of one query. The parser needs 10 ms for so many, and seconds for a few thousand (tried)."""
_OPERATOR = re.compile(r"[-+*/%^()<>]|[=!]=|\b(?:and|or|unless|atan2)\b", re.ASCII | re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_OF_TARGET = re.compile(r"""\b(\w+)\s*=~\s*(["'])((?:(?!\2).)*\{\{\s*target\s*\}\}(?:(?!\2).)*)\2""", re.ASCII)
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_WAY = re.compile(r"[*+?{|]")
MOST_WAYS = 8
"""Repetitions and alternatives of an expression that is tried. Each multiplies the time: 18 need seconds (tried)."""
_NAMED = {"target": "checkout", "primary": "checkout-primary"}
_OF_PRIMARY = ("checkout-primary", "checkout-primary-5d4f8c7b9-x2x4z")
"""The primary of `checkout` as Prometheus may have it: by its Deployment, or by a pod."""
_DURATION = re.compile(r"(\d+(ms|[smhdwy]))+", re.ASCII)
_COMMENT = "#"
_RAW = "`"
_LIMIT_ALLOWED = "PromQL that ends in <= or >= and a finite number, such as sum(queue_lag) <= 100"
_NAMES_ALLOWED = f"a query with no other placeholders than {', '.join(PLACEHOLDERS)}"
_PLACES_ALLOWED = f"placeholders between \" or ', {{{{ {BARE} }}}} alone outside of strings too"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedQuery:
    """A query and its limit: the value passes at or under it (`max`), or at or over it (`min`)."""

    query: str
    side: Limit
    limit: float


def fill(query: str, values: Mapping[str, str]) -> str:
    """Return the query with its placeholders filled in, so that no value can leave its PromQL string.

    Raises ValueError for an unknown placeholder, and for one that does not stand in a string between " or '; only
    `interval`, when its value is a duration, may stand outside.
    """
    parts: list[str] = []
    end = 0
    for match, place in _scan(query)[0]:
        name = match[1].strip()
        if name not in values:
            raise ValueError(_NAMES_ALLOWED)
        bare = place == "" and name == BARE and _DURATION.fullmatch(values[name])
        if place not in ('"', "'") and not bare:
            raise ValueError(_PLACES_ALLOWED)
        parts += [query[end : match.start()], values[name].translate(_ESCAPES)]
        end = match.end()
    return "".join([*parts, query[end:]])


# Escapes that hold in both kinds of quotes (Prometheus, util/strutil: `\'` is none between ", nor `\"` between ').
_ESCAPES = str.maketrans({char: f"\\x{ord(char):02x}" for char in "\"'`\n\r"} | {"\\": "\\\\"})


def _scan(query: str) -> tuple[list[tuple[re.Match[str], str]], str]:
    """Return each placeholder with where it stands, and what of the query is outside of strings and comments.

    A placeholder stands in a string, told by its quote, in a comment, told by "#", or in neither, told by "".
    """
    found: list[tuple[re.Match[str], str]] = []
    bare: list[str] = []
    place = ""
    at = 0
    while at < len(query):
        char = query[at]
        match = _PLACEHOLDER.match(query, at)
        if match is not None:
            found.append((match, place))
            at = match.end()
            continue
        if place in ('"', "'") and char == "\\":
            at += 1  # what is escaped ends no string
        elif place == "" and char in ('"', "'", _RAW, _COMMENT):
            place = char
        elif char == ("\n" if place == _COMMENT else place):
            place = ""
        elif place == "":
            bare.append(char)
        at += 1
    return found, "".join(bare)


def tells_sides_apart(query: str) -> bool:
    """Return whether a query can be asked of the primary too."""
    return any(match[1].strip() in OF_ONE_SIDE for match in _PLACEHOLDER.finditer(query))


def takes_both_sides(query: str) -> str:
    """Return the first label matcher in which `{{ target }}` begins an expression that the primary matches too.

    Of the canary `checkout` such a query counts what `checkout-primary`, or its pods, did. "" where there is none, and
    for expressions that repeat a group or much else, which may take for ever.
    """
    for match in _OF_TARGET.finditer(query):
        if _REPEATED_GROUP.search(match[3]):
            continue
        written = _PLACEHOLDER.sub(lambda found: _NAMED.get(found[1].strip(), "x"), match[3]).replace("\\\\", "\\")
        if len(_WAY.findall(written)) > MOST_WAYS:
            continue
        try:
            expression = re.compile(written)
        except re.error:
            continue  # Prometheus tells it
        if any(expression.fullmatch(name) for name in _OF_PRIMARY):
            return match[0]
    return ""


def check_query(query: str) -> None:
    """Raise ValueError, with what is allowed, for what is no PromQL of one number or misuses a placeholder."""
    _parse(query)


def split_limit(text: str) -> LimitedQuery:
    """Return the query and the limit of `QUERY <= NUMBER` or `QUERY >= NUMBER`: the last comparison at the top.

    Raises ValueError, with what is allowed, for anything else.
    """
    whole = _parse(text)
    at = max(text.rfind("<="), text.rfind(">="))
    if not isinstance(whole, promql_parser.BinaryExpr) or at < 0:
        raise ValueError(_LIMIT_ALLOWED)
    side = {"<=": Limit.MAX, ">=": Limit.MIN}.get(str(whole.op))
    query, limit = text[:at].strip(), _number(text[at + 2 :])
    # The text was cut where the parser cut it: not within a string or a comment, nor below the top.
    if side is None or limit is None or not _is(query, whole.lhs) or not _is(text[at + 2 :], whole.rhs):
        raise ValueError(_LIMIT_ALLOWED)
    return LimitedQuery(query=query, side=side, limit=limit)


def _number(text: str) -> float | None:
    try:
        parsed = promql_parser.parse(text)
    except ValueError:
        return None
    if not isinstance(parsed, promql_parser.NumberLiteral):
        return None
    value = float(parsed.val)
    return value if math.isfinite(value) else None


def _is(text: str, parsed: promql_parser.Expr) -> bool:
    try:
        return bool(_parse(text).prettify() == parsed.prettify())
    except ValueError:
        return False


@lru_cache(maxsize=4096)  # the same few queries are looked at in every pass
def _parse(query: str) -> promql_parser.Expr:
    if len(query) > LONGEST:
        raise ValueError(f"PromQL of at most {LONGEST} characters")
    if len(_OPERATOR.findall(_scan(query)[1])) > MOST_OPERATORS:
        raise ValueError(f"PromQL of at most {MOST_OPERATORS} operators and brackets")
    filled = fill(query, dict.fromkeys(PLACEHOLDERS, "x") | {BARE: "60s"})
    try:
        parsed = promql_parser.parse(filled)
    except ValueError as error:
        raise ValueError(f"PromQL ({str(error).splitlines()[0] if str(error) else 'it does not parse'})") from error
    kind = parsed
    while isinstance(kind, promql_parser.ParenExpr):
        kind = kind.expr
    if isinstance(kind, promql_parser.MatrixSelector | promql_parser.SubqueryExpr | promql_parser.StringLiteral):
        raise ValueError("PromQL of one number, not of a range or a text")
    return parsed
