"""Makes cached objects share what is equal in them: strings, and whole parts such as a container or a map of labels.

Most of a cluster is repeated: a Deployment and its ReplicaSets have the same pod spec, and a change of one field leaves
all others as they were. Who remembers something of a part (canary.controller.memo) also knows it again that way.
"""

from __future__ import annotations

from sys import intern
from typing import Any, cast

from meshes.contract import Manifest

RECENT = 2048
"""Parts that are known again for sure; those that are met within so many others stay known."""
LONGEST = 64
"""Characters of a string that may be met again; longer ones are messages."""
ALONE = "resourceVersion"
"""The field whose value no other object has."""
OWN = ("metadata", "status")
"""Of an object that changes, what changes in these is no other's: nobody looks there for parts of others."""
FEW = 64
"""Items of a list that are looked for among those that were there before; each costs a look at all."""

_NOTHING: dict[str, Any] = {}


class Sharing:
    """Knows the parts that were met of late. What is shared must never be changed in place.

    Parts of different objects are equal when their fields are the same objects, so that 1 and True stay what they are;
    of one object they are compared as a whole, which is quicker: no field is a number now and true or false then.
    """

    def __init__(self, recent: int = RECENT) -> None:
        self._recent = recent
        self._new: dict[Any, Any] = {}
        self._old: dict[Any, Any] = {}

    def __len__(self) -> int:
        """The number of parts that are known."""
        return len(self._new) + len(self._old)

    def shared(self, manifest: Manifest, before: Manifest | None) -> Manifest:
        """Return an equal manifest that shares what it can, first with the one that was in its place `before`."""
        if before is None:
            return cast(Manifest, self._part(manifest, None))
        fields: dict[str, Any] = {}
        for key, item in manifest.items():
            old = before.get(key)
            fields[intern(key)] = _changed(item, old) if key in OWN and old is not None else self._part(item, old)
        return fields

    def _part(self, value: Any, before: Any) -> Any:
        kind = type(value)
        if kind is str:
            return intern(value) if len(value) <= LONGEST else value
        if kind is int:
            return self._known(value, value)
        is_kept = kind is type(before)
        if is_kept and value == before:
            return before
        if kind is dict:
            old = before if is_kept else _NOTHING
            fields = {intern(key): self._field(key, item, old.get(key)) for key, item in value.items()}
            return self._known((*fields, *map(id, fields.values())), fields)
        if kind is list:
            old = before if is_kept and len(before) == len(value) else [None] * len(value)
            items = [self._part(item, other) for item, other in zip(value, old, strict=True)]
            return self._known((None, *map(id, items)), items)
        return value

    def _field(self, key: str, value: Any, before: Any) -> Any:
        return value if key == ALONE else self._part(value, before)

    def _known(self, key: Any, part: Any) -> Any:
        """Return the part that is known by a key. It holds the parts whose ids are in the key, so these stay theirs."""
        known = self._new.get(key)
        if known is None:
            known = self._old.get(key, part)
            self._new[key] = known
            if len(self._new) >= self._recent:
                self._old, self._new = self._new, {}
        return known


def _changed(value: Any, before: Any) -> Any:
    """Return what came in the place of `before`, with all of it that did not change."""
    kind = type(value)
    if kind is type(before):
        if value == before:
            return before
        if kind is dict:
            return {intern(key): _changed(item, before.get(key)) for key, item in value.items()}
        if kind is list:
            return _changed_list(value, before)
    return intern(value) if kind is str and len(value) <= LONGEST else value


def _changed_list(value: list[Any], before: list[Any]) -> list[Any]:
    """Items are what they were wherever they stand now: who wrote last is moved to the end of the writers."""
    if len(value) > FEW:
        return value
    olds = [*before[: len(value)], *[None] * (len(value) - len(before))]
    return [
        before[before.index(item)] if item in before else _changed(item, old)
        for item, old in zip(value, olds, strict=True)
    ]
