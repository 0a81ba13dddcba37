"""Whether a custom resource's schema knows a field."""

from __future__ import annotations

from typing import Any

import pytest

from canary.clients.crd_schema import knows, skeleton

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "to": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "closed": {"type": "object", "additionalProperties": False},
                "any": {"type": "object", "additionalProperties": True},
            },
        }
    },
}


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("spec", True),
        ("status", False),
        ("spec.to[].name", True),
        ("spec.to[].port", False),
        ("spec.to.name", False),
        ("spec.to[].name.deeper", False),
        ("spec.labels.whatever", True),
        ("spec.labels.whatever.deeper", False),
        ("spec.open.to[].whatever", True),
        ("spec.closed.whatever", False),
        ("spec.any.what.ever", True),
    ],
)
def test_a_field_is_known_or_not(path: str, known: bool) -> None:
    assert knows(SCHEMA, path) is known
    assert knows(skeleton(SCHEMA), path) is known


@pytest.mark.parametrize("schema", [None, {}, {"properties": {}}])
def test_an_empty_schema_knows_no_field(schema: Any) -> None:
    assert not knows(schema, "spec")
