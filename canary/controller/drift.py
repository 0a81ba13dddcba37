"""Tells edits of what the controller made from its own changes of mind, and ends a fight with whoever makes them.

An object that was as wanted and is not any more, while the wish is the same, was edited: it is put back. Ten times in
a minute, and it is left alone until nobody has touched it for a minute (ROLLOUT section 7); a new wish, such as weight
0, is written all the same. Objects of the user's that are shared are put back for as long as it takes, but no more than
so often in a minute. Kept in memory only: a restart forgets the count, never an object.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from canary.controller.names import MANAGER, resource_version, uid_of
from canary.ports import Clock
from canary.rollout.model import SOMEBODY, Fault, Notice
from meshes.contract import Manifest, ObjectRef

EDITS = 10
WITHIN = timedelta(minutes=1)
PUT_BACK = 30
"""So often in a minute a shared object is put back: what applies a manifest every few seconds is answered each time."""
TOLD_AGAIN = timedelta(hours=1)
"""People are told of one object once in this time."""
EVENTS = 12
"""So many repairs of one object are an Event each within TOLD_AGAIN; further ones are counted in the next Event."""


@dataclass(slots=True)
class _Object:
    """What is known of one object: the wish that it last answered, and when it was edited away from it."""

    wish: object = None
    edits: deque[datetime] = field(default_factory=lambda: deque(maxlen=EDITS))
    by: str = SOMEBODY
    told_at: datetime | None = None
    events: deque[datetime] = field(default_factory=lambda: deque(maxlen=EVENTS))
    untold: int = 0
    contested: bool = False
    version: str = ""

    def calm(self, now: datetime) -> bool:
        """Return whether nobody has edited it for the time that a fight takes to be over."""
        return not self.edits or now - self.edits[-1] >= WITHIN

    def repaired(self, ref: ObjectRef, live: Manifest | None, now: datetime) -> Sequence[Notice]:
        """Return what is to be told of a repair: nothing while there were many, which the next Event tells."""
        if len(self.events) == EVENTS and now - self.events[0] < TOLD_AGAIN:
            self.untold += 1
            return ()
        quiet = self.told_at is not None and now - self.told_at < TOLD_AGAIN
        self.told_at = self.told_at if quiet else now
        what = "was deleted" if live is None else f"was edited by {self.by}"
        before = f"; so it was {self.untold} more times since this was last told" if self.untold else ""
        self.events.append(now)
        self.untold = 0
        text = f"{ref} {what}; it is put back as the controller made it{before}"
        return (Notice(reason="DriftRepaired", text=text, slack=not quiet),)


@dataclass(slots=True)
class _Shared:
    """When one object of the user's was put back as it is wished now; `waits` while that was too often."""

    wish: object = None
    put_back: deque[datetime] = field(default_factory=lambda: deque(maxlen=PUT_BACK))
    waits: bool = False

    def is_often(self, now: datetime) -> bool:
        """Return whether it was put back as often as is allowed in a minute."""
        return len(self.put_back) == PUT_BACK and now - self.put_back[0] < WITHIN


class Drift:
    """The edits of one canary's objects."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._objects: dict[ObjectRef, _Object] = {}
        self._shared: dict[ObjectRef, _Shared] = {}
        self._refused: dict[str, datetime] = {}

    def refused(self, live: Manifest) -> None:
        """Note that a write of the very object was refused now; what was refused long ago is forgotten."""
        now = self._clock.now()
        self._refused = {uid: at for uid, at in self._refused.items() if now - at < TOLD_AGAIN} | {uid_of(live): now}

    def was_refused(self, live: Manifest) -> bool:
        """Return whether a write of the very object was refused within the hour."""
        at = self._refused.get(uid_of(live))
        return at is not None and self._clock.now() - at < TOLD_AGAIN

    def may_put_back(self, ref: ObjectRef, wish: object) -> bool:
        """Return whether a shared object may be written now, and count that; a new wish always may."""
        known, now = self._shared.setdefault(ref, _Shared()), self._clock.now()
        if known.wish != wish:
            self._shared[ref] = known = _Shared(wish=wish)
        known.waits = known.is_often(now)
        if not known.waits:
            known.put_back.append(now)
        return not known.waits

    def is_edited(self, ref: ObjectRef, wish: object) -> bool:
        """Return whether the object, which is not as wished, was so before."""
        return ref in self._objects and self._objects[ref].wish == wish

    def answered(self, ref: ObjectRef, wish: object) -> None:
        """Note that the object is as wished; a fight that is over is forgotten."""
        known = self._objects.setdefault(ref, _Object())
        known.wish = wish  # always the newest: an older equal one would keep parts of objects that the caches let go
        if known.calm(self._clock.now()):
            known.contested = False
            known.edits.clear()

    def edited(self, ref: ObjectRef, live: Manifest | None) -> Sequence[Notice] | None:
        """Note an edit; return what is to be told when it may be put back, None when it is to be left alone.

        `live` is the object as the edit left it, with its managedFields where they are known; None when it is gone.
        """
        known, now = self._objects.setdefault(ref, _Object()), self._clock.now()
        version = resource_version(live) if live is not None else ""
        if known.contested and known.calm(now):
            known.contested = False
            known.edits.clear()
        if not known.contested or version != known.version:
            known.edits.append(now)
            known.by = editor(live)
        known.version = version
        known.contested = len(known.edits) == EDITS and known.edits[-1] - known.edits[0] <= WITHIN
        if known.contested:
            return None
        return known.repaired(ref, live, now)

    def faults(self) -> Sequence[Fault]:
        """Return what stands in the way: objects that somebody keeps editing."""
        now = self._clock.now()
        return [
            Fault(
                reason="ObjectContested",
                message=f"{ref} was changed {EDITS} times within a minute by {known.by} and is left alone until nobody "
                "has changed it for a minute; end what writes it, the controller makes this object itself",
            )
            for ref, known in self._objects.items()
            if known.contested and not known.calm(now)
        ]

    def calm_in(self) -> timedelta | None:
        """Return when the next object that is left alone for now may be put back, None when none is."""
        now = self._clock.now()
        contested = [known.edits[-1] for known in self._objects.values() if known.contested and not known.calm(now)]
        waiting = [known.put_back[0] for known in self._shared.values() if known.waits and known.is_often(now)]
        return min((since + WITHIN - now for since in (*contested, *waiting)), default=None)


def editor(live: Manifest | None) -> str:
    """Return the field manager other than the controller that changed an object last, as far as it tells."""
    return _newest([one for one in _others(live) if not one.get("subresource")])


def setter(live: Manifest, field: str) -> str:
    """Return the field manager other than the controller that owns a field of an object's spec, as far as it tells."""
    return _newest([one for one in _others(live) if f"f:{field}" in ((one.get("fieldsV1") or {}).get("f:spec") or {})])


def _others(live: Manifest | None) -> list[Mapping[str, Any]]:
    entries: Sequence[Mapping[str, Any]] = (live["metadata"].get("managedFields") or ()) if live else ()
    return [one for one in entries if one.get("manager") not in (MANAGER, None)]


def _newest(entries: Sequence[Mapping[str, Any]]) -> str:
    newest = max(entries, key=lambda one: str(one.get("time", "")), default=None)
    return str(newest["manager"]) if newest is not None else SOMEBODY
