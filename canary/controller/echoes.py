"""Tells the echo of a pass's own write of the status from news: what it wrote itself tells a pass nothing.

An echo wakes nobody when the pass that wrote knows that its next one would find nothing. Whatever else is in the event,
a command or another writer's status, is news. Not its job: what a change concerns (watch), what follows (rules).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from canary.controller.due import Key
from canary.controller.haste import Haste
from canary.controller.merge import exact
from canary.ports import Change, Watched
from meshes.contract import Manifest

BOOKKEEPING = ("resourceVersion", "managedFields")
"""What the API server changes of an object's metadata with each write."""


@dataclass(slots=True)
class _Write:
    """A status that is written onto a Canary as it was read. `came`: its echo did; `final`: it is needless."""

    canary: Manifest
    status: Mapping[str, Any]
    came: bool = False
    final: bool = False
    ended: bool = False


class Echoes:
    """The statuses that passes write. `wake` asks for a pass over a key, with such haste."""

    def __init__(self, *, wake: Callable[[Key, Haste], None]) -> None:
        self.wake = wake
        self._writes: dict[Key, _Write] = {}

    def expect(self, key: Key, canary: Manifest, status: Mapping[str, Any]) -> None:
        """Expect the echo of a write that is about to make this the status of the Canary."""
        self._writes[key] = _Write(canary, status)

    def is_echo(self, key: Key, event: Watched) -> bool:
        """Return whether an event of a Canary tells of nothing but what its pass writes, which wakes it if need be."""
        write = self._writes.get(key)
        if write is None or event.change is not Change.MODIFIED:
            return False
        if not same_but_status(write.canary, event.manifest) or exact(event.manifest.get("status") or {}, write.status):
            return False
        if write.ended:
            del self._writes[key]
        write.came = True
        return True

    def needless(self, key: Key) -> None:
        """Note that a look at the status that was written would find nothing."""
        if key in self._writes:
            self._writes[key].final = True

    def ended(self, key: Key) -> None:
        """Take the end of a pass: an echo that came wakes its canary now, unless it is needless; that may come yet."""
        write = self._writes.pop(key, None)
        if write is None or write.ended:
            return
        if write.final and not write.came:
            write.ended = True
            self._writes[key] = write
        elif write.came and not write.final:
            self.wake(key, Haste.REST)

    def forget(self, key: Key) -> None:
        """Expect nothing any more of a canary that is gone."""
        self._writes.pop(key, None)


def same_but_status(one: Manifest, other: Manifest) -> bool:
    """Return whether two states of an object differ in nothing but the status and what each write changes."""
    return _without(one, ("status", "metadata")) == _without(other, ("status", "metadata")) and (
        _without(one["metadata"], BOOKKEEPING) == _without(other["metadata"], BOOKKEEPING)
    )


def _without(part: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in fields}
