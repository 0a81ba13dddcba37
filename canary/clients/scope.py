"""In which namespaces objects are watched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meshes.contract import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The namespaces that are worked in, none for all; and of `routes`, the meshes' kinds, further ones.

    A mesh may want routes in its own namespace, where nothing else of it is the controller's business.
    """

    namespaces: tuple[str, ...] = ()
    routes: frozenset[Kind] = frozenset()
    route_namespaces: tuple[str, ...] = ()

    def of(self, kind: Kind) -> tuple[str, ...]:
        """Return the namespaces in which a namespaced kind is watched; "" is all of them."""
        if not self.namespaces:
            return ("",)
        further = self.route_namespaces if kind in self.routes else ()
        return tuple(dict.fromkeys((*self.namespaces, *further)))


def scope_of(namespaces: Iterable[str] | Scope) -> Scope:
    """Return a scope as it is, or that of some namespaces for all kinds."""
    return namespaces if isinstance(namespaces, Scope) else Scope(namespaces=tuple(namespaces))
