"""The VirtualService that the controller makes: wholly ours, but what others add where it does no harm stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meshes.contract import Manifest, ObjectRef, Route
from meshes.istio.split import GRAMMAR, unconditional
from meshes.parts.document import items, table
from meshes.parts.istio_hosts import in_mesh, spells
from meshes.parts.ownership import our_metadata
from meshes.parts.sharing import ENTRY, Share, Side, share

# Beside these an entry splits only a part of the requests, or none.
_DIVERTING = frozenset({"match", "redirect", "directResponse", "delegate"})


def render(route: Route, weight: int, live: Manifest, *, ref: ObjectRef) -> Manifest:
    """Return our object with the split. `live` is an empty one (apiVersion and kind only) when there is none.

    Ours are the hosts, the binding to the mesh, who may see it, and the entry `canary` but for what does not touch
    the split (timeouts, retries, headers). Other entries stay, behind ours where they would hide it.
    """
    spec = {key: value for key, value in table(live.get("spec")).items() if key not in ("gateways", "exportTo")}
    spec["hosts"] = [route.apex]
    spec["http"] = _entries(route, weight, items(spec.get("http")))
    return {**live, "metadata": our_metadata(route, live, ref), "spec": spec}


def read(route: Route, live: Manifest, *, ref: ObjectRef) -> Share:
    """Return the share that the object gives the canary; None when requests to the apex may not come by it."""
    found = _read(route, table(live.get("spec")))
    because = f"{ref} holds no split that can be read: {found.because}." if found.because else ""
    return Share(percent=found.percent, because=because)


def _read(route: Route, spec: Mapping[str, Any]) -> Share:
    if not any(spells(host, route.apex, route.namespace, home=route.namespace) for host in items(spec.get("hosts"))):
        return Share(percent=None, because=f"its hosts do not name {route.apex}")
    if not in_mesh(spec):
        return Share(percent=None, because="it is bound to gateways only, not to the mesh")
    for entry in items(spec.get("http")):
        if table(entry).get("name") == ENTRY:
            diverting = sorted(key for key in _DIVERTING if entry.get(key))
            if diverting:
                return Share(percent=None, because=f"its entry {ENTRY} also has {', '.join(diverting)}")
            return share(route, entry, GRAMMAR)
        if unconditional(entry):
            return Share(percent=None, because=f"an entry before {ENTRY} takes every request")
    return Share(percent=None, because=f"it has no http entry {ENTRY}")


def _entries(route: Route, weight: int, live: Sequence[Any]) -> list[Any]:
    ours = next((table(entry) for entry in live if table(entry).get("name") == ENTRY), table(None))
    entry = {key: value for key, value in ours.items() if key not in _DIVERTING}
    entry |= {"name": ENTRY, "route": _destinations(route, weight, items(ours.get("route")))}
    before: list[Any] = []
    after: list[Any] = []
    place = before
    for other in live:
        if table(other).get("name") == ENTRY:
            place = after
            continue
        if unconditional(other):
            place = after
        place.append(other)
    return [*before, entry, *after]


def _destinations(route: Route, weight: int, live: Sequence[Any]) -> list[dict[str, Any]]:
    was = {GRAMMAR.side(route, item): item for item in live}
    wanted = ((Side.APEX, route.apex, 100 - weight), (Side.CANARY, route.canary, weight))
    return [
        {
            **was.get(whom, {}),
            "destination": {"host": host, "port": {"number": route.port}},
            "weight": part,
        }
        for whom, host, part in wanted
    ]
