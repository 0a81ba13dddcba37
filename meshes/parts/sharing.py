"""The weighted destinations of one entry of a route object: whose they are, and what share the canary has.

How a kind of object spells them is its `Grammar`; what follows from them is the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from meshes.contract import Manifest, Route
from meshes.parts.document import table, whole

ENTRY = "canary"
"""The name of the entry that holds the split, where entries have names."""


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


class Grammar(Protocol):
    """How one kind of route object spells a split: entries (rules) that hold weighted items (destinations)."""

    entry: str
    """The words for an entry in messages: "http entry"."""
    entries: str
    item: str
    omitted: int
    """The weight of an item that has none."""
    most: int
    """The greatest weight that the API takes."""

    def entries_of(self, live: Manifest) -> Sequence[Any]:
        """Return the entries of an object, whatever anybody made of it."""

    def with_entries(self, live: Manifest, entries: Sequence[Any]) -> Manifest:
        """Return the object with other entries."""

    def items_of(self, entry: object) -> Sequence[Any]:
        """Return the items of an entry."""

    def with_items(self, entry: Mapping[str, Any], items: Sequence[Any]) -> dict[str, Any]:
        """Return the entry with other items."""

    def side(self, route: Route, item: object) -> Side:
        """Return whom an item means. It belongs to an object of the route's namespace."""

    def shown(self, item: object) -> str:
        """Return an item's destination for messages."""

    def at_our_port(self, route: Route, apex: Mapping[str, Any]) -> bool:
        """Say whether the apex's item is about the port that is split."""

    def counterpart(self, route: Route, apex: Mapping[str, Any]) -> dict[str, Any]:
        """Return the apex's item turned to the canary, with all that goes with it."""

    def remedy(self, route: Route, *, possible: int) -> str:
        """Return what a user is to do when that many entries could hold the split (0, or several)."""


def share(route: Route, entry: object, grammar: Grammar) -> Share:
    """Return the canary's share as a proxy would send it.

    A lone destination gets everything whatever its weight; of several, weights are relative to their sum.
    """
    found = grammar.items_of(entry)
    if not found:
        return Share(percent=None, because=f"it has no {grammar.item}")
    sides = [grammar.side(route, item) for item in found]
    if Side.OTHER in sides:
        return Share(percent=None, because=f"it also sends to {grammar.shown(found[sides.index(Side.OTHER)])}")
    if len(found) == 1:
        return Share(percent=100 if sides[0] is Side.CANARY else 0)
    weights = [weight_of(item, grammar.omitted) for item in found]
    if None in weights:
        wrong = found[weights.index(None)]
        return Share(
            percent=None, because=f"the weight {wrong['weight']!r} of {grammar.shown(wrong)} is no whole number >= 0"
        )
    return _percent([weight or 0 for weight in weights], sides)


def _percent(weights: Sequence[int], sides: Sequence[Side]) -> Share:
    total = sum(weights)
    if total == 0:
        return Share(percent=None, because="all its weights are 0")
    canary = sum(number for number, whom in zip(weights, sides, strict=True) if whom is Side.CANARY)
    percent, rest = divmod(canary * 100, total)
    if rest:
        return Share(percent=None, because=f"the canary's {canary} of {total} is no whole percentage")
    return Share(percent=percent)


def weight_of(item: object, omitted: int) -> int | None:
    """Return the weight of an item, `omitted` when it has none, None when it is not a whole number of at least 0."""
    weight = table(item).get("weight")
    if weight is None:
        return omitted
    number = whole(weight)
    return number if number is not None and number >= 0 else None
