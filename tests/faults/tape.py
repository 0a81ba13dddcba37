"""What an API server told of a namespace, kept and told again in the order in which it was written.

Watches of different kinds do not wait for each other, so what they tell together is out of order; but all objects of a
cluster count their versions in one row. Told again by that row, each change meets the others as they were at that
moment, and the rules of the cluster in memory hold for it. Not its job: the rules (tests.scenarios.invariants).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from canary.controller.names import labels_of
from canary.ports import Change, Clock, Watched
from meshes.contract import Kind, Manifest, ObjectRef
from tests.scenarios.invariants import Invariants


@dataclass(slots=True)
class Tape:
    """Takes down what the watches tell of one namespace. `clock` says when; a deletion is placed where it was heard."""

    namespace: str
    clock: Clock
    _told: list[tuple[int, int, datetime, Watched]] = field(default_factory=list)
    _newest: int = 0

    def note(self, event: Watched) -> None:
        """Keep a change of an object in the namespace."""
        if event.ref.namespace != self.namespace:
            return
        version = int(event.manifest["metadata"]["resourceVersion"])
        self._newest = max(self._newest, version)
        row = self._newest if event.change is Change.DELETED else version
        self._told.append((row, len(self._told), self.clock.now(), event))

    def breaches(self, drain: timedelta) -> list[str]:
        """Return what broke an invariant of the canary `checkout`, oldest first; none when the tape is empty."""
        again = _Again()
        watch = Invariants(again, namespace=self.namespace, drain=drain)
        for _, _, at, event in sorted(self._told, key=lambda each: each[:2]):
            again.tell(event, at)
        return watch.found


class _Again:
    """A cluster that is told again: its store and its clock are those of the moment that is told."""

    def __init__(self) -> None:
        self._objects: dict[ObjectRef, Manifest] = {}
        self._listeners: list[Callable[[Watched], None]] = []
        self._at = datetime.min.replace(tzinfo=UTC)

    @property
    def store(self) -> _Again:
        return self

    @property
    def clock(self) -> _Again:
        return self

    def now(self) -> datetime:
        return self._at

    def listen(self, listener: Callable[[Watched], None]) -> None:
        self._listeners.append(listener)

    def get(self, ref: ObjectRef) -> Manifest | None:
        return self._objects.get(ref)

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> list[Manifest]:
        wanted = (labels or {}).items()
        return [
            one
            for ref, one in self._objects.items()
            if ref.kind == kind and ref.namespace == namespace and wanted <= labels_of(one).items()
        ]

    def tell(self, event: Watched, at: datetime) -> None:
        self._at = at
        if event.change is Change.DELETED:
            self._objects.pop(event.ref, None)
        else:
            self._objects[event.ref] = event.manifest
        for listener in self._listeners:
            listener(event)
