"""The objects of the in-memory API server, found by reference, uid, namespace, label and owner. No rules here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping

from canary.clients.indexes import Indexes
from canary.index import Index
from canary.sandbox.selectors import carries
from meshes.contract import Kind, Manifest, ObjectRef


class Objects:
    """A plain collection of manifests with indexes. Its manifests are shared and must not be changed in place."""

    def __init__(self) -> None:
        self._by_kind: dict[Kind, dict[str, dict[str, Manifest]]] = defaultdict(lambda: defaultdict(dict))
        self._by_uid: dict[str, ObjectRef] = {}
        self._dependents: dict[str, set[ObjectRef]] = defaultdict(set)
        self._indexes = Indexes(self._every)

    def get(self, ref: ObjectRef) -> Manifest | None:
        """Return the object, None when there is none."""
        return self._by_kind[ref.kind][ref.namespace].get(ref.name)

    def put(self, ref: ObjectRef, manifest: Manifest) -> None:
        """Add the object, or put it in the place of the one that has its name."""
        self.drop(ref)
        self._by_kind[ref.kind][ref.namespace][ref.name] = manifest
        self._by_uid[manifest["metadata"]["uid"]] = ref
        for key in _index_keys(ref, manifest):
            self._dependents[key].add(ref)
        self._indexes.put(ref, manifest)

    def drop(self, ref: ObjectRef) -> None:
        """Take the object away; nothing happens when there is none."""
        old = self._by_kind[ref.kind][ref.namespace].pop(ref.name, None)
        if old is None:
            return
        del self._by_uid[old["metadata"]["uid"]]
        for key in _index_keys(ref, old):
            self._dependents[key].discard(ref)
            if not self._dependents[key]:
                del self._dependents[key]
        self._indexes.drop(ref)

    def of_kind(self, kind: Kind, namespace: str = "") -> Iterator[Manifest]:
        """Yield the objects of a kind, of one namespace or of all (""), by namespace and name."""
        spaces = self._by_kind[kind]
        for space in [namespace] if namespace else sorted(spaces):
            yield from [spaces[space][name] for name in sorted(spaces[space])]

    def listed(self, kind: Kind, namespace: str, labels: Mapping[str, str]) -> list[Manifest]:
        """Return the objects of a kind, of one namespace or of all (""), that carry all of `labels`."""
        if namespace and labels:
            return self._indexes.labelled(kind, namespace, labels)
        found = self.of_kind(kind, namespace)
        if not labels:
            return list(found)
        return [each for each in found if carries(each["metadata"].get("labels") or {}, labels)]

    def indexed(self, index: Index, keys: Iterable[Hashable]) -> list[Manifest]:
        """Return the objects that stand under all of these keys of an index."""
        return self._indexes.find(index, keys)

    def _every(self, kind: Kind) -> Iterable[tuple[ObjectRef, Manifest]]:
        spaces = self._by_kind[kind].items()
        return ((ObjectRef(kind, space, name), one) for space, objects in spaces for name, one in objects.items())

    def inside(self, namespace: str) -> list[ObjectRef]:
        """Return what lies in a namespace."""
        return [
            ObjectRef(kind, namespace, name)
            for kind, spaces in list(self._by_kind.items())
            for name in spaces.get(namespace, ())
        ]

    def dependents(self, uid: str) -> list[ObjectRef]:
        """Return the objects that name `uid` as an owner, in a stable order."""
        return sorted(self._dependents.get(uid, ()))

    def ownerless(self, kind: Kind, namespace: str) -> list[ObjectRef]:
        """Return the objects of a kind in a namespace that have no owner, in a stable order."""
        return sorted(self._dependents.get(_nobody(kind, namespace), ()))

    def find(self, uid: str) -> ObjectRef | None:
        """Return the object of this uid, None when it is gone."""
        return self._by_uid.get(uid)

    def __iter__(self) -> Iterator[Manifest]:
        for kind in list(self._by_kind):
            yield from self.of_kind(kind)


def owner_uids(manifest: Manifest) -> list[str]:
    """Return the uids of the object's owners."""
    return [owner["uid"] for owner in manifest["metadata"].get("ownerReferences") or ()]


def _nobody(kind: Kind, namespace: str) -> str:
    return f"nobody/{kind}/{namespace}"


def _index_keys(ref: ObjectRef, manifest: Manifest) -> list[str]:
    return owner_uids(manifest) or [_nobody(ref.kind, ref.namespace)]
