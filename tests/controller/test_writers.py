"""Who edited an object, or owns a field of it, as far as its managedFields tell."""

from __future__ import annotations

from typing import Any

import pytest

from canary.controller.drift import editor, setter
from canary.controller.names import MANAGER


def wrote(manager: str, minute: int, *fields: str, subresource: str = "") -> dict[str, Any]:
    entry: dict[str, Any] = {"manager": manager, "time": f"2026-01-01T00:{minute:02}:00Z"}
    entry["fieldsV1"] = {"f:spec": {f"f:{field}": {} for field in fields}}
    return {**entry, "subresource": subresource} if subresource else entry


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": [*entries]}}


@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_of_the_others_is_the_editor_whatever_the_order(turned: bool) -> None:
    entries = [wrote("helm", 1), wrote("argocd-controller", 2), wrote(MANAGER, 3), wrote("hpa", 4, subresource="scale")]
    assert editor(live(*(reversed(entries) if turned else entries))) == "argocd-controller"


@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_of_those_that_own_a_field_is_its_setter(turned: bool) -> None:
    entries = [wrote("helm", 1, "replicas"), wrote("flux", 2, "replicas"), wrote("kubectl", 3, "template")]
    assert setter(live(*(reversed(entries) if turned else entries)), "replicas") == "flux"


def test_where_nothing_is_told_it_is_somebody() -> None:
    assert editor(None) == editor({"metadata": {}}) == setter({"metadata": {}}, "replicas") == "somebody"
