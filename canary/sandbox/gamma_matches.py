"""The matches of HTTPRoutes and GRPCRoutes, and which of them comes first: the most specific, wherever it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from canary.errors import ConfigError
from canary.sandbox.route_fields import only
from canary.sandbox.rules import How, Match, Text

Ordered = tuple[bool, int, int]
"""What matches are sorted by (Gateway API, HTTPRouteRule.matches): exact paths, then long ones, then many headers."""

_HOW = {"Exact": How.EXACT, "RegularExpression": How.REGEX}


def matches_of(rule: Mapping[str, Any], where: str, *, grpc: bool) -> Iterator[tuple[Ordered, tuple[Match, ...]]]:
    """Yield each match of a rule with its order; none at all is one that every request fits."""
    entries: Sequence[Mapping[str, Any]] = rule.get("matches") or ({},)
    for entry in entries:
        only(entry, frozenset({"method" if grpc else "path", "headers"}), f"{where}.matches")
        path = _method(entry.get("method", {}), where) if grpc else _path(entry.get("path", {}), where)
        headers = {one["name"].lower(): _text(one, where) for one in entry.get("headers", ())}
        order = (not (path and path.how is How.EXACT), -len(path.value) if path else 0, -len(headers))
        yield order, ((Match(path=path, headers=headers),) if path or headers else ())


def _path(path: Mapping[str, str], where: str) -> Text | None:
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    if kind != "PathPrefix":
        return _text({"type": kind, "value": value}, where)
    # A prefix ends at the end of a path element: /api is no prefix of /apis.
    return None if value == "/" else Text(How.REGEX, f"{re.escape(value.rstrip('/'))}(/.*)?")


def _method(method: Mapping[str, str], where: str) -> Text | None:
    if not method:
        return None
    if method.get("type", "Exact") != "Exact":
        raise ConfigError(f"{where}: the sandbox does not know methods of the type {method['type']}")
    service, name = method.get("service"), method.get("method")
    if service and name:
        return Text(How.EXACT, f"/{service}/{name}")
    return Text(How.REGEX, f"/{re.escape(service) if service else '[^/]+'}/{re.escape(name) if name else '[^/]+'}")


def _text(match: Mapping[str, str], where: str) -> Text:
    kind = match.get("type", "Exact")
    if kind not in _HOW:
        raise ConfigError(f"{where}: the sandbox does not know matches of the type {kind}")
    return Text(_HOW[kind], match["value"])
