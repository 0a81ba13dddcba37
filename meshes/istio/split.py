"""The weighted destinations of one http entry of a VirtualService: whose they are, and what share the canary has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from meshes.contract import Route
from meshes.istio.document import items, table, whole
from meshes.istio.hosts import spells

ENTRY = "canary"
"""The name of the http entry that holds the split."""


class Side(StrEnum):
    """Whom a destination means."""

    APEX = "apex"
    CANARY = "canary"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The canary's share of an entry in percent, None when it cannot be told; `because` then says why."""

    percent: int | None
    because: str = ""


def side(route: Route, item: object) -> Side:
    """Return whom one item of `http[].route` means. The item belongs to an object of the route's namespace."""
    host = table(table(item).get("destination")).get("host")
    if spells(host, route.apex, route.namespace, home=route.namespace):
        return Side.APEX
    if spells(host, route.canary, route.namespace, home=route.namespace):
        return Side.CANARY
    return Side.OTHER


def share(route: Route, entry: Mapping[str, Any]) -> Share:
    """Return the canary's share as Envoy would send it.

    A lone destination gets everything whatever its weight; of several, weights are relative to their sum and an
    omitted one is 0 (istio/api, virtual_service.proto: HTTPRouteDestination.weight).
    """
    destinations = items(entry.get("route"))
    if not destinations:
        return Share(percent=None, because="it has no destination")
    sides = [side(route, item) for item in destinations]
    if Side.OTHER in sides:
        other = host_of(destinations[sides.index(Side.OTHER)])
        return Share(percent=None, because=f"it also sends to {other}")
    if len(destinations) == 1:
        return Share(percent=100 if sides[0] is Side.CANARY else 0)
    weights = [weight_of(item) for item in destinations]
    if None in weights:
        wrong = destinations[weights.index(None)]
        return Share(
            percent=None, because=f"the weight {wrong['weight']!r} of {host_of(wrong)} is no whole number >= 0"
        )
    numbers = [weight or 0 for weight in weights]
    total = sum(numbers)
    if total == 0:
        return Share(percent=None, because="all its weights are 0")
    canary = sum(number for number, whom in zip(numbers, sides, strict=True) if whom is Side.CANARY)
    percent, rest = divmod(canary * 100, total)
    if rest:
        return Share(percent=None, because=f"the canary's {canary} of {total} is no whole percentage")
    return Share(percent=percent)


def weight_of(item: object) -> int | None:
    """Return the weight of a destination, 0 when it has none, None when it is not a whole number of at least 0."""
    weight = table(item).get("weight")
    if weight is None:
        return 0
    number = whole(weight)
    return number if number is not None and number >= 0 else None


def host_of(item: object) -> str:
    """Return a destination's host for messages."""
    host = table(table(item).get("destination")).get("host")
    return repr(host) if host is None or not isinstance(host, str) else host


def unconditional(entry: object) -> bool:
    """Say whether every request matches the entry, so that Istio never looks at those after it."""
    match = items(table(entry).get("match"))
    return not match or any(_matches_all(condition) for condition in match)


def _matches_all(condition: object) -> bool:
    wanted = {key: value for key, value in table(condition).items() if key not in ("name", "statPrefix")}
    return not wanted or wanted == {"uri": {"prefix": "/"}}
