"""In which namespaces the controller looks."""

from __future__ import annotations

import pytest

from canary.clients.scope import Scope, scope_of
from canary.ports import POD
from meshes.contract import Kind

ROUTE = Kind("kuma.io", "MeshHTTPRoute")


@pytest.mark.parametrize(
    ("namespaces", "further", "pods", "routes"),
    [
        ((), (), ("",), ("",)),
        ((), ("kuma-system",), ("",), ("",)),
        (("shop", "eu"), (), ("shop", "eu"), ("shop", "eu")),
        (("shop",), ("kuma-system",), ("shop",), ("shop", "kuma-system")),
        (("shop", "kuma-system"), ("kuma-system",), ("shop", "kuma-system"), ("shop", "kuma-system")),
    ],
    ids=["everywhere", "everywhere anyway", "in two", "routes elsewhere too", "named twice"],
)
def test_only_routes_are_looked_at_in_further_namespaces(
    namespaces: tuple[str, ...], further: tuple[str, ...], pods: tuple[str, ...], routes: tuple[str, ...]
) -> None:
    scope = Scope(namespaces=namespaces, routes=frozenset({ROUTE}), route_namespaces=further)
    assert (scope.of(POD), scope.of(ROUTE)) == (pods, routes)
    assert scope_of(scope) is scope


def test_names_alone_are_the_scope_of_all_kinds() -> None:
    assert scope_of(["shop"]) == Scope(namespaces=("shop",))
