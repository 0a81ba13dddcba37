"""The split inside a VirtualService that the user wrote: the canary comes in as a second destination and goes again.

Before the first change the two things that cannot be read back afterwards are noted in an annotation of the object:
the weight that the user gave the apex, if any, and the canary's, if the user names it too. The annotation is there
only while a split is. It is believed only as far as the live entry bears it out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshes.contract import Manifest, ObjectRef, Route, RouteError
from meshes.istio.document import items, table
from meshes.istio.hosts import respell
from meshes.istio.split import ENTRY, Share, Side, host_of, share, side, weight_of

NOTE = "canary.delivery/route-was"
"""The annotation, JSON: `{"apex": {"weight": 100}}`, with `"canary": {"weight": 0}` when the user names it too."""

_LISTED = 10
_INT32 = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What the user wrote: `{}` or `{"weight": N}` of each destination; `canary` is None when it was not there."""

    apex: Mapping[str, Any]
    canary: Mapping[str, Any] | None


def render(route: Route, weight: int, live: Manifest, *, ref: ObjectRef) -> Manifest:
    """Return the user's object with the split, at weight 0 as the user had it.

    Raises RouteError (`RouteUnusable`) when no entry, or more than one, can hold the split.
    """
    place = _place(route, live, ref)
    entry = items(table(live["spec"])["http"])[place]
    before = _before(route, live, entry)
    if weight == 0:
        return _with(live, place, _at_rest(route, entry, before), None)
    return _with(live, place, _splitting(route, entry, before, weight), before)


def restore(route: Route, live: Manifest, *, ref: ObjectRef) -> Manifest:
    """Return the user's object as it was before the split.

    An object in which no entry can hold a split is returned without our annotation, if nothing of ours can be in it.
    Raises RouteError when it still sends to the canary as we made it do.
    """
    try:
        return render(route, 0, live, ref=ref)
    except RouteError:
        if _noted(live) is not None and _mentions_canary(route, live):
            raise
        return _annotated(live, None)


def read(route: Route, live: Manifest, *, ref: ObjectRef) -> Share:
    """Return the canary's share of the entry that holds the split."""
    try:
        place = _place(route, live, ref)
    except RouteError as err:
        return Share(percent=None, because=str(err))
    found = share(route, items(table(live["spec"])["http"])[place])
    because = f"{ref}, entry {place + 1}, holds no split that can be read: {found.because}." if found.because else ""
    return Share(percent=found.percent, because=because)


def _place(route: Route, live: Manifest, ref: ObjectRef) -> int:
    """Return the index of the entry that holds the split: the only possible one, of several the one named canary, or
    the one where the user names the canary.

    While a split runs (our annotation is there) the entry that has the canary comes first: what users add meanwhile
    must not keep a rollback from reaching it.
    """
    entries = items(table(live.get("spec")).get("http"))
    possible = [index for index, entry in enumerate(entries) if _can_split(route, table(entry))]
    named = [index for index in possible if entries[index].get("name") == ENTRY]
    shared = [index for index in possible if len(entries[index]["route"]) == 2]
    for found in (possible, named, shared) if _noted(live) is None else (possible, shared, named):
        if len(found) == 1:
            return found[0]
    what = f"{len(possible)} http entries that send" if possible else "no http entry that sends"
    shown = [f"{index + 1} {_described(entry)}" for index, entry in enumerate(entries[:_LISTED])]
    more = f" and {len(entries) - _LISTED} more" if len(entries) > _LISTED else ""
    remedy = (
        f"name the one that is to be split {ENTRY!r}"
        if possible
        else f"give it one entry whose only destination is {route.apex} (port {route.port} or none)"
    )
    raise RouteError(
        "RouteUnusable",
        f"{ref} has {what} to {route.apex} alone; found: {'; '.join(shown) or 'none'}{more}. "
        f"To let the canary share it, {remedy}.",
    )


def _can_split(route: Route, entry: Mapping[str, Any]) -> bool:
    destinations = items(entry.get("route"))
    sides = [side(route, item) for item in destinations]
    if sorted(sides) not in ([Side.APEX], [Side.APEX, Side.CANARY]):
        return False
    port = table(table(destinations[sides.index(Side.APEX)])["destination"].get("port")).get("number")
    return port is None or port == route.port


def _described(entry: object) -> str:
    name = table(entry).get("name")
    destinations = items(table(entry).get("route"))
    hosts = ", ".join(host_of(item) for item in destinations[:_LISTED]) or "no destination"
    if len(destinations) > _LISTED:
        hosts += f", {len(destinations) - _LISTED} more"
    return f"{name!r} to {hosts}" if name else f"to {hosts}"


def _before(route: Route, live: Manifest, entry: Mapping[str, Any]) -> _Before:
    destinations = {side(route, item): item for item in entry["route"]}
    apex = _weight_only(destinations[Side.APEX])
    canary = destinations.get(Side.CANARY)
    if canary is None:
        # Nothing of ours is in the entry: the user wrote it anew, so an annotation that is still there is old.
        return _Before(apex=apex, canary=None)
    noted = _noted(live)
    if noted is not None:
        return noted
    if share(route, entry).percent == 0:
        return _Before(apex=apex, canary=_weight_only(canary))
    # A share that nobody accounts for: the annotation was lost, or someone split by hand. At rest it must not stay.
    return _Before(apex={}, canary=None)


def _at_rest(route: Route, entry: Mapping[str, Any], before: _Before) -> dict[str, Any]:
    destinations: list[dict[str, Any]] = []
    for item in entry["route"]:
        if side(route, item) is Side.APEX:
            destinations.append({**_without_weight(item), **before.apex})
        elif before.canary is not None:
            destinations.append({**_without_weight(item), **before.canary})
    return {**entry, "route": destinations}


def _splitting(route: Route, entry: Mapping[str, Any], before: _Before, weight: int) -> dict[str, Any]:
    live = {side(route, item): item for item in entry["route"]}
    apex = live[Side.APEX]
    canary = _counterpart(route, apex) if before.canary is None else live[Side.CANARY]
    parts = {Side.APEX: {**apex, "weight": 100 - weight}, Side.CANARY: {**canary, "weight": weight}}
    order = [side(route, item) for item in entry["route"]]
    if Side.CANARY not in order:
        order.append(Side.CANARY)
    return {**entry, "route": [parts[whom] for whom in order]}


def _counterpart(route: Route, apex: Mapping[str, Any]) -> dict[str, Any]:
    """Return the apex's destination turned to the canary: port and headers as there.

    A subset goes: it is one of the apex's DestinationRule, and naming one that a host has not is answered with 503.
    """
    destination = {key: value for key, value in apex["destination"].items() if key != "subset"}
    destination["host"] = respell(destination["host"], route.canary)
    return {**apex, "destination": destination}


def _weight_only(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"weight": item["weight"]} if item.get("weight") is not None else {}


def _without_weight(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "weight"}


def _mentions_canary(route: Route, live: Manifest) -> bool:
    entries = items(table(live.get("spec")).get("http"))
    return any(side(route, item) is Side.CANARY for entry in entries for item in items(table(entry).get("route")))


def _noted(live: Manifest) -> _Before | None:
    """Return what the annotation says, None when there is none or it was not written by us."""
    text = table(table(live.get("metadata")).get("annotations")).get(NOTE)
    try:
        note = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):  # the second for thousands of brackets
        return None
    if not isinstance(note, dict) or not isinstance(note.get("apex"), dict):
        return None
    apex = weight_of(note["apex"])
    if apex is None or apex > _INT32:
        # Written back it would be refused, and the canary would keep its share.
        return None
    canary = note.get("canary")
    # At rest the canary may have no weight, whatever the annotation was made to say.
    rests = isinstance(canary, dict) and weight_of(canary) == 0 and apex > 0
    return _Before(apex=_weight_only(note["apex"]), canary=_weight_only(table(canary)) if rests else None)


def _with(live: Manifest, place: int, entry: Mapping[str, Any], before: _Before | None) -> Manifest:
    spec = table(live["spec"])
    entries: Sequence[Any] = items(spec["http"])
    http = [entry if index == place else other for index, other in enumerate(entries)]
    return _annotated({**live, "spec": {**spec, "http": http}}, before)


def _annotated(live: Manifest, before: _Before | None) -> Manifest:
    metadata = table(live.get("metadata"))
    annotations = {key: value for key, value in table(metadata.get("annotations")).items() if key != NOTE}
    if before is not None:
        note = {"apex": before.apex} | ({} if before.canary is None else {"canary": before.canary})
        annotations[NOTE] = json.dumps(note, sort_keys=True)
    if annotations == table(metadata.get("annotations")):
        return live
    kept = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**live, "metadata": {**kept, "annotations": annotations} if annotations else kept}
