"""What the flags of `canary run` become."""

from __future__ import annotations

from canary.cli.run import settings_from
from canary.settings import Settings


def test_namespaces_and_those_of_routes_are_lists() -> None:
    told = {"namespace": ["shop", "eu"], "route_namespace": ["kuma-system"]}
    assert settings_from(told, {}) == Settings(namespaces=("shop", "eu"), route_namespaces=("kuma-system",))


def test_none_are_all() -> None:
    assert settings_from({"namespace": None, "route_namespace": None}, {}) == Settings()
