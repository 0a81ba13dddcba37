"""How a MeshHTTPRoute spells a split: weighted `backendRefs` in the rules of `to` entries that name the apex."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshes.contract import Manifest, Route
from meshes.kuma.references import is_parent, means, shown, turned
from meshes.parts.document import items, table
from meshes.parts.sharing import Side

CATCH_ALL = {"path": {"type": "PathPrefix", "value": "/"}}
"""The match of every request; Kuma appends one to the parent for a route without it."""


def catches_all(rule: object) -> bool:
    """Say whether every request that no other rule takes goes by this rule."""
    return any(table(match) == CATCH_ALL for match in items(table(rule).get("matches")))


class MeshHTTPRouteGrammar:
    """The grammar for one route's apex; rules for other Services are none of its entries. An omitted weight is 1.

    `home` is the namespace of the object.
    """

    entry = "rule"
    entries = "rules"
    item = "backendRef"
    omitted = 1
    most = 2**31 - 1

    def __init__(self, route: Route, home: str) -> None:
        self.route = route
        self.home = home

    def entries_of(self, live: Manifest) -> Sequence[Any]:
        """Return the rules of all `to` entries that name the apex."""
        return [rule for to in self._ours(live) for rule in items(table(to).get("rules"))]

    def with_entries(self, live: Manifest, entries: Sequence[Any]) -> Manifest:
        """Return the object with other rules, each in the place of the one it was."""
        left = list(entries)
        new: list[Any] = []
        for to in items(table(live.get("spec")).get("to")):
            if not is_parent(self.route, table(to).get("targetRef"), self.home):
                new.append(to)
                continue
            count = len(items(to.get("rules")))
            new.append({**to, "rules": left[:count]} if count else to)
            left = left[count:]
        return {**live, "spec": {**table(live["spec"]), "to": new}}

    def items_of(self, entry: object) -> Sequence[Any]:
        return items(table(table(entry).get("default")).get("backendRefs"))

    def with_items(self, entry: Mapping[str, Any], items: Sequence[Any]) -> dict[str, Any]:
        return {**entry, "default": {**table(entry.get("default")), "backendRefs": list(items)}}

    def side(self, route: Route, item: object) -> Side:
        if means(route, item, route.apex, self.home):
            return Side.APEX
        return Side.CANARY if means(route, item, route.canary, self.home) else Side.OTHER

    def shown(self, item: object) -> str:
        return shown(item)

    def at_our_port(self, route: Route, apex: Mapping[str, Any]) -> bool:
        return True  # a backend of another port is none of the apex's

    def counterpart(self, route: Route, apex: Mapping[str, Any]) -> dict[str, Any]:
        return turned(apex, route, route.canary)

    def remedy(self, route: Route, *, possible: int) -> str:
        if possible:
            return "leave the backendRefs out of all but one: a rule without them sends to the Service itself"
        return f"give its entry for {route.apex} one rule whose only backendRef is {route.apex}, port {route.port}"

    def _ours(self, live: Manifest) -> Iterator[Any]:
        for to in items(table(live.get("spec")).get("to")):
            if is_parent(self.route, table(to).get("targetRef"), self.home):
                yield to
