"""Which canaries there are, found by what others call them: their target, their apex, their route. Kept by `watch`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator

from canary.controller.due import Key
from canary.controller.names import target_of
from meshes.contract import Manifest


class Concerns:
    """The canaries by each of their names. What is returned is a copy: it may be kept."""

    def __init__(self) -> None:
        self._targets: dict[Key, Key] = {}
        self._names: dict[Key, tuple[Hashable, ...]] = {}
        self._by_name: dict[Hashable, set[Key]] = defaultdict(set)

    def note(self, key: Key, canary: Manifest) -> None:
        """Take a canary as it is now."""
        self.forget(key)
        self._targets[key] = (key[0], target_of(canary))
        self._names[key] = tuple(_names(key[0], canary))
        for name in self._names[key]:
            self._by_name[name].add(key)

    def forget(self, key: Key) -> None:
        """Drop a canary that is gone."""
        self._targets.pop(key, None)
        for name in self._names.pop(key, ()):
            self._by_name[name].discard(key)
            if not self._by_name[name]:
                del self._by_name[name]

    def aimed_at(self, key: Key) -> Key | None:
        """Return the target of a canary, as last noted; None for one that is not known."""
        return self._targets.get(key)

    def all(self) -> Collection[Key]:
        """Return every canary."""
        return tuple(self._targets)

    def inside(self, namespace: str) -> Collection[Key]:
        """Return the canaries of a namespace."""
        return self._under(("inside", namespace))

    def of(self, target: Key) -> Collection[Key]:
        """Return the canaries that are about a Deployment."""
        return self._under(("target", *target))

    def named(self, target: str) -> Collection[Key]:
        """Return the canaries about a Deployment of that name, in any namespace: objects of ours may lie elsewhere."""
        return self._under(("named", target))

    def called(self, apex: str) -> Collection[Key]:
        """Return the canaries with an apex of that name, in any namespace."""
        return self._under(("called", apex))

    def called_by(self, namespace: str, name: str) -> Collection[Key]:
        """Return the canaries of a namespace whose apex or route has that name."""
        return self._under(("in", namespace, name))

    def routed_by(self, name: str) -> Collection[Key]:
        """Return the canaries with a route of the user's of that name: a mesh may have it in a namespace of its own."""
        return self._under(("route", name))

    def _under(self, name: Hashable) -> Collection[Key]:
        return tuple(self._by_name.get(name, ()))


def _names(namespace: str, canary: Manifest) -> Iterator[Hashable]:
    """Yield under what a canary is found: by its spec, and by the objects it took into service (canary.spec.status)."""
    target, spec = target_of(canary), canary.get("spec") or {}
    memory = ((canary.get("status") or {}).get("memory") or {}).get("memory") or {}
    objects = memory.get("objects") or {}
    service, route = spec.get("service") or {}, spec.get("route") or {}
    yield from (("inside", namespace), ("target", namespace, target), ("named", target))
    apexes = {service.get("name") or target, (objects.get("service") or {}).get("name") or target}
    for apex in apexes:
        yield from (("called", apex), ("in", namespace, apex))
    for name in {route.get("name"), objects.get("route")} - {None, ""}:
        yield ("in", namespace, name)
        yield ("route", name)
