"""The CRD is structural, up to date, and fills in what annotations write. That a real API server agrees: tests/api."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from canary.rollout.model import Status
from canary.spec.annotations import canary_from_annotations
from canary.spec.crd import crd, crd_yaml
from canary.spec.status import status_to_json
from tests.spec.deployments import TARGET, deployment
from tests.spec.test_status import STATUSES

ROOT = Path(__file__).resolve().parents[2]
PRESERVE, INT_OR_STRING = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}
FORBIDDEN = (
    "anyOf",
    "allOf",
    "oneOf",
    "not",
    "$ref",
    "$defs",
    "const",
    "title",
    "nullable",
    "x-kubernetes-validations",
)
"""Not allowed in a structural schema, or not by API servers before 1.25, or of no use."""

SCHEMA: dict[str, Any] = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SPEC: dict[str, Any] = SCHEMA["properties"]["spec"]
STATUS: dict[str, Any] = SCHEMA["properties"]["status"]


def nodes(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every schema in a schema, with its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield from nodes(schema[key], f"{path}[]")


NODES = tuple(nodes(SCHEMA))


def test_every_node_says_what_it_holds() -> None:
    silent = [path for path, node in NODES if not {"type", INT_OR_STRING, PRESERVE} & set(node)]
    assert (silent, len(NODES) > 60) == ([], True)


def test_no_node_has_what_a_structural_schema_must_not_have() -> None:
    assert [(path, key) for path, node in NODES for key in FORBIDDEN if key in node] == []


def test_lists_say_what_they_hold_and_types_are_those_of_openapi() -> None:
    assert [path for path, node in NODES if node.get("type") == "array" and "items" not in node] == []
    assert {str(node["type"]) for _, node in NODES if "type" in node} <= set(TYPES)


def nulls(value: Any, path: str = "") -> list[str]:
    if isinstance(value, Mapping):
        return [found for key, inner in value.items() for found in nulls(inner, f"{path}.{key}")]
    if isinstance(value, list):
        return [found for inner in value for found in nulls(inner, f"{path}[]")]
    return [path] if value is None else []


def test_there_is_no_null_anywhere() -> None:
    assert nulls(crd()) == []


def test_what_is_required_is_described() -> None:
    missing = [
        (path, name) for path, node in NODES for name in node.get("required", ()) if name not in node["properties"]
    ]
    assert missing == []


def test_patterns_are_anchored_and_every_text_of_users_is_bounded() -> None:
    patterns = [(path, node["pattern"]) for path, node in NODES if "pattern" in node]
    assert [path for path, pattern in patterns if not re.fullmatch(r"\^.*\$", pattern)] == []
    texts = [(path, node) for path, node in nodes(SPEC) if node.get("type") == "string"]
    assert [path for path, node in texts if "maxLength" not in node and "enum" not in node] == []


def test_defaults_have_the_type_of_their_field() -> None:
    wrong = [path for path, node in NODES if "default" in node and not isinstance(node["default"], TYPES[node["type"]])]
    assert wrong == []


def filled(value: Any, schema: Mapping[str, Any]) -> Any:
    """Fill in defaults as the API server does: field by field, into what is there."""
    if isinstance(value, list):
        return [filled(inner, schema["items"]) for inner in value]
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    full = dict(value)
    for name, inner in schema["properties"].items():
        if name not in full and "default" in inner:
            full[name] = copy.deepcopy(inner["default"])
        if name in full:
            full[name] = filled(full[name], inner)
    return full


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {"steps": "5,pause,50"},
        {"step-weight": "10"},
        {"success-rate": "off"},
        {"check.lag": "sum(lag) <= 2.5", "latency-p99": "2s"},
        {"port": "8080", "route": "r", "interval": "10s", "slack-channel": "#c"},
    ],
)
def test_the_api_server_adds_nothing_to_what_annotations_write(annotations: dict[str, str]) -> None:
    canary, _ = canary_from_annotations(deployment(annotations))
    assert canary is not None
    assert filled(canary["spec"], SPEC) == canary["spec"]


def test_the_defaults_of_the_crd_are_those_of_a_deployment_that_is_only_opted_in() -> None:
    canary, _ = canary_from_annotations(deployment({}))
    assert canary is not None
    assert filled({"targetRef": {"name": TARGET["name"]}}, SPEC) == canary["spec"]


def kept(value: Any, schema: Mapping[str, Any]) -> Any:
    """Prune as the API server does: what a schema does not name goes."""
    if schema.get(PRESERVE):
        return value
    if isinstance(value, list):
        return [kept(inner, schema["items"]) for inner in value]
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return {name: kept(inner, known[name]) for name, inner in value.items() if name in known}
    return value


@given(STATUSES)
def test_nothing_that_the_controller_remembers_is_pruned(status: Status) -> None:
    written = status_to_json(status)
    assert kept(written, STATUS) == written


def test_the_file_for_installing_is_up_to_date() -> None:
    path = ROOT / "manifests" / "crd.yaml"
    assert path.read_text(encoding="utf-8") == crd_yaml(), "make crd"
    assert yaml.safe_load(crd_yaml()) == crd()


def test_it_is_named_as_the_contract_says() -> None:
    whole = crd()
    (version,) = whole["spec"]["versions"]
    names = whole["spec"]["names"]
    assert (whole["metadata"]["name"], whole["spec"]["group"], whole["spec"]["scope"]) == (
        "canaries.canary.delivery",
        "canary.delivery",
        "Namespaced",
    )
    assert (names["kind"], names["plural"], version["name"]) == ("Canary", "canaries", "v1alpha1")
    assert version["subresources"] == {"status": {}}
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert columns == ["Phase", "Weight", "Step", "Revision", "Message", "Age"]
