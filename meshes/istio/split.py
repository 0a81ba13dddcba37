"""How a VirtualService spells a split: weighted destinations of the entries of `http`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meshes.contract import Manifest, Route
from meshes.parts.document import items, table
from meshes.parts.istio_hosts import respell, spells
from meshes.parts.sharing import ENTRY, Side


class VirtualServiceGrammar:
    """The grammar. An omitted weight is 0 (istio/api, virtual_service.proto: HTTPRouteDestination.weight)."""

    entry = "http entry"
    entries = "http entries"
    item = "destination"
    omitted = 0
    most = 2**31 - 1

    def entries_of(self, live: Manifest) -> Sequence[Any]:
        return items(table(live.get("spec")).get("http"))

    def with_entries(self, live: Manifest, entries: Sequence[Any]) -> Manifest:
        return {**live, "spec": {**table(live["spec"]), "http": list(entries)}}

    def items_of(self, entry: object) -> Sequence[Any]:
        return items(table(entry).get("route"))

    def with_items(self, entry: Mapping[str, Any], items: Sequence[Any]) -> dict[str, Any]:
        return {**entry, "route": list(items)}

    def side(self, route: Route, item: object) -> Side:
        host = table(table(item).get("destination")).get("host")
        if spells(host, route.apex, route.namespace, home=route.namespace):
            return Side.APEX
        if spells(host, route.canary, route.namespace, home=route.namespace):
            return Side.CANARY
        return Side.OTHER

    def shown(self, item: object) -> str:
        host = table(table(item).get("destination")).get("host")
        return repr(host) if host is None or not isinstance(host, str) else host

    def at_our_port(self, route: Route, apex: Mapping[str, Any]) -> bool:
        port = table(table(apex["destination"]).get("port")).get("number")
        return port is None or port == route.port

    def counterpart(self, route: Route, apex: Mapping[str, Any]) -> dict[str, Any]:
        """Return the apex's destination turned to the canary: port and headers as there.

        A subset goes: it is one of the apex's DestinationRule, and naming one that a host has not is answered with 503.
        """
        destination = {key: value for key, value in apex["destination"].items() if key != "subset"}
        destination["host"] = respell(destination["host"], route.canary)
        return {**apex, "destination": destination}

    def remedy(self, route: Route, *, possible: int) -> str:
        if possible:
            return f"name the one that is to be split {ENTRY!r}"
        return f"give it one entry whose only destination is {route.apex} (port {route.port} or none)"


GRAMMAR = VirtualServiceGrammar()


def unconditional(entry: object) -> bool:
    """Say whether every request matches the entry, so that Istio never looks at those after it."""
    match = items(table(entry).get("match"))
    return not match or any(_matches_all(condition) for condition in match)


def _matches_all(condition: object) -> bool:
    wanted = {key: value for key, value in table(condition).items() if key not in ("name", "statPrefix")}
    return not wanted or wanted == {"uri": {"prefix": "/"}}
