"""How objects are found in a cache other than by name: a value of the Cluster port, which `clients` makes work."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
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
