"""The CustomResourceDefinition of the Canary resource, made from the models of schema.py and shown.py.

Its schema is structural (apiextensions.k8s.io/v1, "Specifying a structural schema"), without CEL, so that Kubernetes
1.20 takes it as 1.36 does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from canary.spec.schema import CanarySpec
from canary.spec.shown import CanaryStatus

GROUP, VERSION, KIND, PLURAL = "canary.delivery", "v1alpha1", "Canary", "canaries"
HEADER = "# Made by `make crd` from canary/spec; changes by hand are lost.\n"
_DROPPED = ("title", "$defs", "additionalProperties")

COLUMNS = (
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {"name": "Weight", "type": "integer", "jsonPath": ".status.weight", "description": "Percent at the canary."},
    {"name": "Step", "type": "integer", "jsonPath": ".status.step", "description": "The first is 0."},
    {"name": "Revision", "type": "string", "jsonPath": ".status.revision"},
    {"name": "Message", "type": "string", "jsonPath": ".status.message"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
)


def crd_yaml() -> str:
    """Return the CRD as YAML; the same text each time."""
    return HEADER + yaml.safe_dump(crd(), sort_keys=False, width=120, allow_unicode=True)


def crd() -> dict[str, Any]:
    """Return the CRD."""
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [dict(column) for column in COLUMNS],
        "schema": {"openAPIV3Schema": _resource()},
    }
    names = {
        "kind": KIND,
        "listKind": f"{KIND}List",
        "plural": PLURAL,
        "singular": "canary",
        "shortNames": ["cny"],
        "categories": ["all"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _resource() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "How new versions of one Deployment are brought out: step by step, and back when they fail.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(CanarySpec),
            "status": structural(CanaryStatus),
        },
    }


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """Return the structural schema of a model: no references, no alternatives, nothing that Kubernetes forbids."""
    whole = model.model_json_schema(by_alias=True)
    converted: dict[str, Any] = _structural(whole, whole.get("$defs", {}))
    return converted


def _structural(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    flat = _flat(schema, known)
    found = {key: value for key, value in flat.items() if key not in _DROPPED}
    if "const" in found:
        found["enum"] = [found.pop("const")]
    if "default" in found:
        found |= _default(found.pop("default"))
    if "properties" in found:
        found["properties"] = {name: _structural(inner, known) for name, inner in found["properties"].items()}
    if "items" in found:
        found["items"] = _structural(found["items"], known)
    if isinstance(flat.get("additionalProperties"), Mapping):
        found["additionalProperties"] = _structural(flat["additionalProperties"], known)
    return found


def _default(value: Any) -> dict[str, Any]:
    """Say a default without nulls; of a map only that it is there, its fields have defaults of their own."""
    if isinstance(value, list):
        return {"default": [{name: one for name, one in entry.items() if one is not None} for entry in value]}
    if isinstance(value, Mapping):
        return {"default": {}}
    return {} if value is None else {"default": value}


def _flat(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve a reference, and an alternative to null, which Kubernetes says by leaving the field out."""
    flat = dict(schema)
    while "$ref" in flat or "anyOf" in flat:
        if "$ref" in flat:
            flat = {**known[flat.pop("$ref").rpartition("/")[2]], **flat}
            continue
        others = [each for each in flat.pop("anyOf") if each.get("type") != "null"]
        if len(others) != 1:
            raise ValueError(f"a structural schema has no alternatives: {schema}")
        flat = {**others[0], **flat}
    return flat
