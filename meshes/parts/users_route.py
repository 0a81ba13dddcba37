"""The split inside a route object that the user wrote: the canary comes in as a second destination and goes again.

Before the first change the two things that cannot be read back afterwards are noted in an annotation of the object:
the weight that the user gave the apex, if any, and the canary's, if the user names it too. The annotation is there
only while a split is. It is believed only as far as the live entry bears it out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshes.contract import Manifest, ObjectRef, Route, RouteError
from meshes.parts.document import table
from meshes.parts.sharing import ENTRY, Grammar, Share, Side, share, weight_of

NOTE = "canary.delivery/route-was"
"""The annotation, JSON: `{"apex": {"weight": 100}}`, with `"canary": {"weight": 0}` when the user names it too."""

_LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What the user wrote: `{}` or `{"weight": N}` of each destination; `canary` is None when it was not there."""

    apex: Mapping[str, Any]
    canary: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersRoute:
    """A user's route object of one kind, which `ref` names, as the place of a split."""

    route: Route
    ref: ObjectRef
    grammar: Grammar

    def render(self, weight: int, live: Manifest) -> Manifest:
        """Return the user's object with the split, at weight 0 as the user had it.

        Raises RouteError (`RouteUnusable`) when no entry, or more than one, can hold the split.
        """
        place = self.place(live)
        entry = self.grammar.entries_of(live)[place]
        before = self._before(live, entry)
        if weight == 0:
            return self._with(live, place, self._at_rest(entry, before), None)
        return self._with(live, place, self._splitting(entry, before, weight), before)

    def restore(self, live: Manifest) -> Manifest:
        """Return the user's object as it was before the split.

        An object in which no entry can hold a split is returned without our annotation, if nothing of ours can be in
        it. Raises RouteError when it still sends to the canary as we made it do.
        """
        try:
            return self.render(0, live)
        except RouteError:
            if self._noted(live) is not None and self._mentions_canary(live):
                raise
            return _annotated(live, None)

    def read(self, live: Manifest) -> Share:
        """Return the canary's share of the entry that holds the split."""
        try:
            place = self.place(live)
        except RouteError as err:
            return Share(percent=None, because=str(err))
        found = share(self.route, self.grammar.entries_of(live)[place], self.grammar)
        word = self.grammar.entry.split()[-1]
        where = f"{self.ref}, {word} {place + 1}, holds no split that can be read"
        return Share(percent=found.percent, because=f"{where}: {found.because}." if found.because else "")

    def place(self, live: Manifest) -> int:
        """Return the index of the entry that holds the split: the only possible one, of several the one named canary,
        or the one where the user names the canary.

        While a split runs (our annotation is there) the entry that has the canary comes first: what users add
        meanwhile must not keep a rollback from reaching it. Raises RouteError (`RouteUnusable`).
        """
        entries = self.grammar.entries_of(live)
        possible = [index for index, entry in enumerate(entries) if self._can_split(entry)]
        named = [index for index in possible if entries[index].get("name") == ENTRY]
        shared = [index for index in possible if len(self.grammar.items_of(entries[index])) == 2]
        for found in (possible, named, shared) if self._noted(live) is None else (possible, shared, named):
            if len(found) == 1:
                return found[0]
        grammar = self.grammar
        what = f"{len(possible)} {grammar.entries} that send" if possible else f"no {grammar.entry} that sends"
        shown = [f"{index + 1} {self._described(entry)}" for index, entry in enumerate(entries[:_LISTED])]
        more = f" and {len(entries) - _LISTED} more" if len(entries) > _LISTED else ""
        remedy = grammar.remedy(self.route, possible=len(possible))
        raise RouteError(
            "RouteUnusable",
            f"{self.ref} has {what} to {self.route.apex} alone; found: {'; '.join(shown) or 'none'}{more}. "
            f"To let the canary share it, {remedy}.",
        )

    def _can_split(self, entry: object) -> bool:
        found = self.grammar.items_of(entry)
        sides = [self.grammar.side(self.route, item) for item in found]
        if sorted(sides) not in ([Side.APEX], [Side.APEX, Side.CANARY]):
            return False
        return self.grammar.at_our_port(self.route, found[sides.index(Side.APEX)])

    def _described(self, entry: object) -> str:
        name = table(entry).get("name")
        found = self.grammar.items_of(entry)
        hosts = ", ".join(self.grammar.shown(item) for item in found[:_LISTED]) or f"no {self.grammar.item}"
        if len(found) > _LISTED:
            hosts += f", {len(found) - _LISTED} more"
        return f"{name!r} to {hosts}" if name else f"to {hosts}"

    def _sides(self, entry: object) -> dict[Side, Any]:
        return {self.grammar.side(self.route, item): item for item in self.grammar.items_of(entry)}

    def _before(self, live: Manifest, entry: Mapping[str, Any]) -> _Before:
        found = self._sides(entry)
        apex = _weight_only(found[Side.APEX])
        canary = found.get(Side.CANARY)
        if canary is None:
            # Nothing of ours is in the entry: the user wrote it anew, so an annotation that is still there is old.
            return _Before(apex=apex, canary=None)
        noted = self._noted(live)
        if noted is not None:
            return noted
        if share(self.route, entry, self.grammar).percent == 0:
            return _Before(apex=apex, canary=_weight_only(canary))
        # A share that nobody accounts for: the annotation was lost, or someone split by hand. At rest it must not stay.
        return _Before(apex={}, canary=None)

    def _at_rest(self, entry: Mapping[str, Any], before: _Before) -> dict[str, Any]:
        kept: list[dict[str, Any]] = []
        for item in self.grammar.items_of(entry):
            if self.grammar.side(self.route, item) is Side.APEX:
                kept.append({**_without_weight(item), **before.apex})
            elif before.canary is not None:
                kept.append({**_without_weight(item), **before.canary})
        return self.grammar.with_items(entry, kept)

    def _splitting(self, entry: Mapping[str, Any], before: _Before, weight: int) -> dict[str, Any]:
        live = self._sides(entry)
        apex = live[Side.APEX]
        canary = self.grammar.counterpart(self.route, apex) if before.canary is None else live[Side.CANARY]
        parts = {Side.APEX: {**apex, "weight": 100 - weight}, Side.CANARY: {**canary, "weight": weight}}
        order = list(live) if Side.CANARY in live else [Side.APEX, Side.CANARY]
        return self.grammar.with_items(entry, [parts[whom] for whom in order])

    def _mentions_canary(self, live: Manifest) -> bool:
        return any(Side.CANARY in self._sides(entry) for entry in self.grammar.entries_of(live))

    def _noted(self, live: Manifest) -> _Before | None:
        """Return what the annotation says, None when there is none or it was not written by us."""
        text = table(table(live.get("metadata")).get("annotations")).get(NOTE)
        try:
            note = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError):  # the second for thousands of brackets
            return None
        if not isinstance(note, dict) or not isinstance(note.get("apex"), dict):
            return None
        omitted = self.grammar.omitted
        apex = weight_of(note["apex"], omitted)
        if apex is None or apex > self.grammar.most:
            # Written back it would be refused, and the canary would keep its share.
            return None
        canary = note.get("canary")
        # At rest the canary may have no weight, whatever the annotation was made to say.
        rests = isinstance(canary, dict) and weight_of(canary, omitted) == 0 and apex > 0
        return _Before(apex=_weight_only(note["apex"]), canary=_weight_only(table(canary)) if rests else None)

    def _with(self, live: Manifest, place: int, entry: Mapping[str, Any], before: _Before | None) -> Manifest:
        entries = [entry if index == place else other for index, other in enumerate(self.grammar.entries_of(live))]
        return _annotated(self.grammar.with_entries(live, entries), before)


def _weight_only(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"weight": item["weight"]} if item.get("weight") is not None else {}


def _without_weight(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "weight"}


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
