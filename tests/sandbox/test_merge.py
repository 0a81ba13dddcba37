"""Merge patches, client-side apply, pruning and selectors: the pure parts of the in-memory API server."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import Rejected
from canary.sandbox.merge import apply_patch, merge_patch, not_taken, pruned
from canary.sandbox.selectors import matches


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [  # The cases of RFC 7386, appendix A.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_the_rfc_says(target: Any, patch: Any, merged: Any) -> None:
    assert merge_patch(target, patch) == merged


def test_a_merge_patch_leaves_its_arguments_alone() -> None:
    target = {"a": {"b": 1}}

    merge_patch(target, {"a": {"b": 2, "c": 3}})

    assert target == {"a": {"b": 1}}


def test_client_side_apply_removes_only_what_the_same_person_applied_before() -> None:
    last = {"spec": {"replicas": 3, "paused": True}, "labels": {"a": "1"}}
    wanted = {"spec": {"replicas": 2}, "labels": {"a": "1", "b": "2"}}

    patch = apply_patch(last, wanted)

    assert patch == {"spec": {"replicas": 2, "paused": None}, "labels": {"a": "1", "b": "2"}}


@pytest.mark.parametrize(
    ("asked", "got", "lost"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1, "more": 2}}, ""),
        ({"a": {"b": 1}}, {"a": {}}, "a.b"),
        ({"a": [{"weight": 5}]}, {"a": [{"weight": 5, "kind": "Service"}]}, ""),
        ({"a": [{"weight": 5}]}, {"a": [{"kind": "Service"}]}, "a[0].weight"),
        ({"a": [1, 2]}, {"a": [1]}, "a"),
        ({"a": None}, {}, ""),
        ({"a": False}, {}, ""),
        ({"a": True}, {}, "a"),
    ],
)
def test_a_field_that_was_not_taken_is_named(asked: Any, got: Any, lost: str) -> None:
    assert not_taken(asked, got) == lost


def test_a_schema_prunes_what_it_does_not_know() -> None:
    step = {"type": "object", "properties": {"weight": {"type": "integer"}}}
    schema = {
        "properties": {
            "steps": {"type": "array", "items": step},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        }
    }
    value = {"steps": [{"weight": 5, "wieght": 6}], "labels": {"any": "x"}, "raw": {"any": {"y": 1}}, "typo": 1}

    assert pruned(value, schema) == {"steps": [{"weight": 5}], "labels": {"any": "x"}, "raw": {"any": {"y": 1}}}


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ({"matchLabels": {"app": "a"}}, {"app": "a", "x": "y"}, True),
        ({"matchLabels": {"app": "a"}}, {"app": "b"}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "api"]}]}, {"tier": "api"}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}, {}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, {"tier": ""}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, {"tier": ""}, False),
        ({"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}, {"app": "a"}, False),
        ({}, {"any": "thing"}, True),
        (None, {"any": "thing"}, False),
    ],
)
def test_selectors_match_as_the_api_server_says(selector: Any, labels: dict[str, str], expected: bool) -> None:
    assert matches(selector, labels) is expected


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(Rejected, match="not a valid label selector operator"):
        matches({"matchExpressions": [{"key": "x", "operator": "Like"}]}, {})
