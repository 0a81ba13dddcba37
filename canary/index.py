"""How objects are picked other than one by one: values of the Cluster port, which `clients` makes work."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from meshes.contract import Kind, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A way to find cached objects of one kind: by keys that are computed from each. Equal by name and kind.

    With `rarest` an object stands under one of its keys only, the one that fewest others have.
    """

    name: str
    kind: Kind
    keys: Callable[[Manifest], Iterable[Hashable]] = field(compare=False)
    rarest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The objects of one kind in a namespace that carry all of `labels` and, unless it is "", bear this name."""

    kind: Kind
    namespace: str
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        wanted = self.name or ",".join(f"{label}={value}" for label, value in self.labels.items()) or "all"
        return f"{self.kind} {self.namespace}/{wanted}"

    def has(self, manifest: Manifest) -> bool:
        """Return whether an object of this kind and namespace is among them."""
        metadata = manifest["metadata"]
        carried = metadata.get("labels") or {}
        named = self.name in ("", metadata["name"])
        return named and all(carried.get(label) == value for label, value in self.labels.items())
