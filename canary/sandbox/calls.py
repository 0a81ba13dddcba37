"""What a client asks of the in-memory API server: one call as a value, and how many there were."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from meshes.contract import Kind, Manifest, ObjectRef


class Verb(StrEnum):
    """What a request asks for."""

    READ = "read"
    CREATE = "create"
    PATCH = "patch"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: `body` is the manifest of a create, the patch of a patch, else empty."""

    verb: Verb
    ref: ObjectRef
    subresource: str = ""
    body: Manifest = field(default_factory=dict)


Hook = Callable[[Call], Awaitable[None] | None]
"""Asked about a call; it may raise what the call shall raise, and may be awaited to make the call slow or hang."""


class Requests:
    """What a client asked of the API server. Watches and cached reads cost nothing and are not here."""

    def __init__(self) -> None:
        self.log: deque[Call] = deque(maxlen=10_000)
        self.counts: Counter[tuple[Verb, Kind]] = Counter()

    def add(self, call: Call) -> None:
        """Count one call."""
        self.log.append(call)
        self.counts[call.verb, call.ref.kind] += 1

    def clear(self) -> None:
        """Begin again from 0."""
        self.log.clear()
        self.counts.clear()

    @property
    def reads(self) -> int:
        """Reads since the last `clear`."""
        return sum(count for (verb, _), count in self.counts.items() if verb is Verb.READ)

    @property
    def writes(self) -> int:
        """Creates, patches and deletes since the last `clear`, refused ones included."""
        return self.counts.total() - self.reads
