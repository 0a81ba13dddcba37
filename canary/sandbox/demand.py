"""What a client of the in-memory API server sees only where it asked for it, as the controller sees configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from canary.contents import without_content
from canary.ports import Following
from meshes.contract import Kind, Manifest, ObjectRef


@dataclass(slots=True)
class Demand:
    """Objects of `kinds` are seen in the namespaces that are `followed` alone, without their content.

    Kinds in `forbidden` may not be followed; with no `kinds` everything is seen whole.
    """

    kinds: frozenset[Kind] = frozenset()
    forbidden: set[Kind] = field(default_factory=set)
    followed: set[tuple[Kind, str]] = field(default_factory=set)

    def shown(self, ref: ObjectRef, manifest: Manifest) -> Manifest | None:
        """Return what is seen of an object, None when it is not seen at all."""
        if ref.kind not in self.kinds:
            return manifest
        return without_content(manifest) if (ref.kind, ref.namespace) in self.followed else None

    def state(self, kind: Kind, namespace: str) -> Following:
        """Return whether the objects of a namespace can be seen, and why not."""
        if kind in self.forbidden:
            return Following(False, f"{kind} is forbidden: cannot list in the namespace {namespace!r}")
        return Following(kind not in self.kinds or (kind, namespace) in self.followed)
