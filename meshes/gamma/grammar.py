"""How an HTTPRoute and a GRPCRoute spell a split: weighted backendRefs of the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meshes.contract import Manifest, Route
from meshes.parts.document import items, table
from meshes.parts.sharing import ENTRY, Side

CORE = ("", "core")
"""How the group of Services is written. Only Linkerd understands the second."""


class GammaGrammar:
    """The grammar. The API server fills in 1 for an omitted weight."""

    entry = "rule"
    entries = "rules"
    item = "backend"
    omitted = 1
    most = 1_000_000

    def entries_of(self, live: Manifest) -> Sequence[Any]:
        return items(table(live.get("spec")).get("rules"))

    def with_entries(self, live: Manifest, entries: Sequence[Any]) -> Manifest:
        return {**live, "spec": {**table(live["spec"]), "rules": list(entries)}}

    def items_of(self, entry: object) -> Sequence[Any]:
        return items(table(entry).get("backendRefs"))

    def with_items(self, entry: Mapping[str, Any], items: Sequence[Any]) -> dict[str, Any]:
        return {**entry, "backendRefs": list(items)}

    def side(self, route: Route, item: object) -> Side:
        ref = table(item)
        is_service = ref.get("group", "") in CORE and ref.get("kind", "Service") == "Service"
        if not is_service or ref.get("namespace", route.namespace) != route.namespace:
            return Side.OTHER
        return {route.apex: Side.APEX, route.canary: Side.CANARY}.get(str(ref.get("name")), Side.OTHER)

    def shown(self, item: object) -> str:
        ref = table(item)
        where = f"{ref['namespace']}/" if ref.get("namespace") else ""
        kind = f"{ref['kind']} " if ref.get("kind", "Service") != "Service" else ""
        return f"{kind}{where}{ref['name']}" if isinstance(ref.get("name"), str) else repr(ref.get("name"))

    def at_our_port(self, route: Route, apex: Mapping[str, Any]) -> bool:
        return apex.get("port") in (None, route.port)

    def counterpart(self, route: Route, apex: Mapping[str, Any]) -> dict[str, Any]:
        return {**apex, "name": route.canary}

    def remedy(self, route: Route, *, possible: int) -> str:
        if possible:
            return (
                f"name the one that is to be split {ENTRY!r} (rules have names since Gateway API 1.4), or give it "
                f"{route.canary} with the weight 0 as its second backend"
            )
        return f"give it one rule whose only backend is {route.apex} (port {route.port})"


GRAMMAR = GammaGrammar()


def unconditional(rule: object) -> bool:
    """Say whether every request matches the rule; the API server writes a path prefix `/` for it."""
    matches = items(table(rule).get("matches"))
    return not matches or any(_matches_all(match) for match in matches)


def _matches_all(match: object) -> bool:
    wanted = {key: value for key, value in table(match).items() if value}
    path = table(wanted.pop("path", None))
    everywhere = path.get("type", "PathPrefix") == "PathPrefix" and path.get("value", "/") == "/"
    return not wanted and everywhere
