"""Holds an object to a CRD's structural schema, as far as an API server does in strict mode.

Unknown fields are faults. CEL rules (`x-kubernetes-validations`) are left to the tests with a real API server. The
CRDs are read in place from the folder that CANARY_TEST_CRDS names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.yaml_files import document

TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def crd_folder() -> Path:
    """Return the folder of the CRDs; skip the test when none is named."""
    folder = os.environ.get("CANARY_TEST_CRDS")
    if not folder:
        pytest.skip("CANARY_TEST_CRDS does not name a folder with the meshes' CRDs")
    return Path(folder)


def faults(crd: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Return what the CRD has against the object, empty when it accepts it."""
    spec = _spec(crd)
    group, _, version = manifest["apiVersion"].rpartition("/")
    if (group, manifest["kind"]) != (spec["group"], spec["names"]["kind"]):
        return [f"{crd.name} is not the CRD of {manifest['apiVersion']} {manifest['kind']}"]
    schemas = [each["schema"]["openAPIV3Schema"] for each in spec["versions"] if each["name"] == version]
    if not schemas:
        return [f"{crd.name} has no version {version}"]
    envelope = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    schema = {**schemas[0], "properties": {**schemas[0]["properties"], **envelope}}
    body = {key: value for key, value in manifest.items() if key != "metadata"}
    return list(_faults(schema, body, "$", strict=True))


@cache
def _spec(crd: Path) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = document(crd)["spec"]
    return spec


def _faults(schema: Mapping[str, Any], value: Any, path: str, *, strict: bool) -> Iterator[str]:
    if value is None and schema.get("nullable"):
        return
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            yield f"{path}: {value!r} is neither a whole number nor a string"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{path}: {value!r} is no {kind}"
        return
    yield from _limits(schema, value, path)
    yield from _combined(schema, value, path)
    if isinstance(value, dict):
        yield from _object(schema, value, path, strict=strict)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(schema.get("items", {}), item, f"{path}[{index}]", strict=strict)


def _object(schema: Mapping[str, Any], value: Mapping[str, Any], path: str, *, strict: bool) -> Iterator[str]:
    known = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    open_ended = not strict or rest is True or schema.get("x-kubernetes-preserve-unknown-fields")
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{path}: {key} is missing"
    for key, inner in value.items():
        if key in known or isinstance(rest, dict):
            yield from _faults(known.get(key, rest), inner, f"{path}.{key}", strict=strict)
        elif not open_ended:
            yield f"{path}: unknown field {key}"


def _limits(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if isinstance(value, int | float):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield f"{path}: {value} is out of range"
    elif isinstance(value, str | list | dict):
        size = {str: "Length", list: "Items", dict: "Properties"}[type(value)]
        if not schema.get(f"min{size}", 0) <= len(value) <= schema.get(f"max{size}", len(value)):
            yield f"{path}: its {size.lower()} {len(value)} is out of range"
        if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{path}: {value!r} does not match {schema['pattern']}"


def _combined(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    def holds(part: Mapping[str, Any]) -> bool:
        return not list(_faults(part, value, path, strict=False))

    if not all(holds(part) for part in schema.get("allOf", ())):
        yield f"{path}: not allOf"
    if "anyOf" in schema and not any(holds(part) for part in schema["anyOf"]):
        yield f"{path}: not anyOf"
    if "oneOf" in schema and sum(holds(part) for part in schema["oneOf"]) != 1:
        yield f"{path}: not oneOf"
    if "not" in schema and holds(schema["not"]):
        yield f"{path}: matches what it must not"
