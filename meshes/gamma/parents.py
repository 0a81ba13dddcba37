"""What a route hangs on: a Service, if group and kind say so, for without them it is a Gateway."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from meshes.contract import Manifest, Route
from meshes.gamma.grammar import CORE
from meshes.parts.document import items, table


def parents_of(live: Manifest) -> Sequence[Any]:
    """Return the parentRefs of a route."""
    return items(table(live.get("spec")).get("parentRefs"))


def is_apex(route: Route, parent: object, home: str) -> bool:
    """Say whether a parentRef of an object of the namespace `home` is the apex at our port (or at all ports)."""
    ref = table(parent)
    is_service = ref.get("group") in CORE and ref.get("kind") == "Service"
    same = ref.get("name") == route.apex and (ref.get("namespace") or home) == route.namespace
    return is_service and same and ref.get("port") in (None, route.port)


def hangs_on_apex(route: Route, live: Manifest) -> bool:
    """Say whether one of the object's parents is the apex."""
    home = str(table(live.get("metadata")).get("namespace", ""))
    return any(is_apex(route, parent, home) for parent in parents_of(live))


def services(live: Manifest) -> Collection[str]:
    """Return the names that the object's parents have, whatever their kind."""
    return {str(table(parent).get("name")) for parent in parents_of(live)}


def fault(route: Route, live: Manifest) -> str:
    """Return why the object routes nothing that is sent to the apex, "" when it does."""
    if hangs_on_apex(route, live):
        return ""
    wanted = f'{{group: "", kind: Service, name: {route.apex}, port: {route.port}}}'
    for parent in parents_of(live):
        ref = table(parent)
        if ref.get("name") == route.apex and ref.get("kind", "Gateway") == "Gateway":
            return f"its parentRef {route.apex} is a Gateway, as it is without group and kind; write {wanted}"
    shown = ", ".join(_shown(parent) for parent in parents_of(live)) or "nothing"
    return f"its parentRefs name {shown}; to split what is sent to {route.apex}, add {wanted}"


def _shown(parent: object) -> str:
    ref = table(parent)
    port = f" port {ref['port']}" if ref.get("port") is not None else ""
    where = f"{ref['namespace']}/" if ref.get("namespace") else ""
    return f"{ref.get('kind', 'Gateway')} {where}{ref.get('name')}{port}"
