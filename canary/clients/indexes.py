"""Finds cached objects by keys that are computed from them, so that no pass looks through a whole namespace.

As the indexers of Kubernetes' own client do; an index is built when it is first asked, and kept from then on. Both
caches use it, the one that watches fill and the sandbox's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache

from canary.index import Index
from meshes.contract import Kind, Manifest, ObjectRef

_NONE: Mapping[ObjectRef, Manifest] = {}


class _Built:
    """One index: the objects that stand under each key, and the keys that each object stands under."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._under: dict[Hashable, dict[ObjectRef, Manifest]] = {}
        self._keys: dict[ObjectRef, tuple[Hashable, ...]] = {}

    def put(self, ref: ObjectRef, manifest: Manifest) -> None:
        self.drop(ref)
        keys = tuple(dict.fromkeys(self._index.keys(manifest)))
        if self._index.rarest:
            keys = (min(keys, key=lambda key: len(self.under(key))),) if keys else ()
        for key in keys:
            self._under.setdefault(key, {})[ref] = manifest
        if keys:
            self._keys[ref] = keys

    def drop(self, ref: ObjectRef) -> None:
        for key in self._keys.pop(ref, ()):
            under = self._under[key]
            del under[ref]
            if not under:
                del self._under[key]

    def under(self, key: Hashable) -> Mapping[ObjectRef, Manifest]:
        return self._under.get(key, _NONE)


class Indexes:
    """The indexes over one cache. `every` returns all of its objects of a kind."""

    def __init__(self, every: Callable[[Kind], Iterable[tuple[ObjectRef, Manifest]]]) -> None:
        self._every = every
        self._built: dict[Kind, dict[Index, _Built]] = {}
        self._known: dict[Index, _Built] = {}

    def put(self, ref: ObjectRef, manifest: Manifest) -> None:
        """Take an object that is new in the cache, or in the place of the one of its name."""
        for built in self._built.get(ref.kind, {}).values():
            built.put(ref, manifest)

    def drop(self, ref: ObjectRef) -> None:
        """Forget an object that left the cache."""
        for built in self._built.get(ref.kind, {}).values():
            built.drop(ref)

    def find(self, index: Index, keys: Iterable[Hashable]) -> list[Manifest]:
        """Return the objects that stand under all of these keys, at least one, by namespace and name."""
        built = self._of(index)
        return _in_all([built.under(key) for key in keys])

    def labelled(self, kind: Kind, namespace: str, labels: Mapping[str, str]) -> list[Manifest]:
        """Return the objects of a kind and a namespace that carry all of these labels, at least one.

        Only keys that somebody asks for are indexed: most labels of a cluster are never looked for.
        """
        return _in_all([self._of(_label(kind, key)).under((namespace, value)) for key, value in labels.items()])

    def _of(self, index: Index) -> _Built:
        built = self._known.get(index)
        if built is None:
            built = self._known[index] = self._built.setdefault(index.kind, {})[index] = _Built(index)
            for ref, manifest in self._every(index.kind):
                built.put(ref, manifest)
        return built


def _in_all(parts: Sequence[Mapping[ObjectRef, Manifest]]) -> list[Manifest]:
    if not all(parts):
        return []
    fewest, *others = sorted(parts, key=len) if len(parts) > 1 else parts
    refs = [ref for ref in fewest if all(ref in other for other in others)] if others else list(fewest)
    return [fewest[ref] for ref in (sorted(refs) if len(refs) > 1 else refs)]


@lru_cache(maxsize=1024)
def _label(kind: Kind, key: str) -> Index:
    def keys(manifest: Manifest) -> Iterable[Hashable]:
        metadata = manifest["metadata"]
        value = (metadata.get("labels") or {}).get(key)
        return () if value is None else ((metadata.get("namespace", ""), value),)

    return Index(name=f"label {key}", kind=kind, keys=keys)
