"""Patches lead where they should, and are empty where nothing is to change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.controller.merge import exact, overlay
from canary.sandbox.merge import merge_patch

LEAVES = st.integers(0, 3) | st.text("ab", max_size=2) | st.booleans() | st.lists(st.integers(0, 2), max_size=2)
JSON = st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3), max_leaves=8)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


def bare(value: Any) -> Any:
    """The value without what the API server leaves out."""
    if isinstance(value, dict):
        kept = {key: bare(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner is not False and inner not in ("", {}, [])}
    return value


@given(OBJECTS, OBJECTS)
def test_exact_makes_the_live_object_equal_to_the_wanted_one(live: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert bare(merge_patch(live, exact(live, wanted))) == bare(wanted)


@given(OBJECTS)
def test_exact_changes_nothing_that_is_as_wanted(live: dict[str, Any]) -> None:
    assert exact(live, live) == {}


@given(OBJECTS, OBJECTS)
def test_overlay_leaves_every_key_that_is_not_wanted(live: dict[str, Any], wanted: dict[str, Any]) -> None:
    merged = merge_patch(live, overlay(live, wanted))
    assert {key: value for key, value in merged.items() if key not in wanted} == {
        key: value for key, value in live.items() if key not in wanted
    }
    assert overlay(merged, wanted) == {}


@pytest.mark.parametrize(
    ("live", "wanted", "patch"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "b": 2}, {"a": 1}, {"b": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": False, "b": "", "c": [], "d": {}}, {}),
        ({"a": False}, {}, {}),
        ({"a": 0}, {}, {"a": None}),
    ],
)
def test_exact_patches(live: dict[str, Any], wanted: dict[str, Any], patch: dict[str, Any]) -> None:
    assert exact(live, wanted) == patch
