"""The CustomResourceDefinition of the Canary resource, made from the models in schema.py.

Structural, as apiextensions.k8s.io/v1 demands: every field has a type, nothing is referenced or alternative, and there
are no CEL rules, so that API servers before 1.25 take it too.
"""

from __future__ import annotations

from typing import Any

import yaml

from canary.rollout.model import CommandName, Outcome, Result, Truth
from canary.rollout.phases import Phase
from canary.spec.schema import CanarySpec

GROUP, VERSION, KIND, PLURAL = "canary.delivery", "v1alpha1", "Canary", "canaries"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
KEPT = ("type", "description", "default", "enum", "pattern", PRESERVE)
LIMITS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")


def crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": "canary",
                "categories": ["all"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(),
                    "schema": {"openAPIV3Schema": _resource()},
                }
            ],
        },
    }


def crd_yaml() -> str:
    """Return the CustomResourceDefinition as YAML, the same for the same models."""
    text: str = yaml.safe_dump(crd(), sort_keys=False, width=120)
    return text


def _columns() -> list[dict[str, str]]:
    named = (
        ("Phase", "string", ".status.phase"),
        ("Weight", "integer", ".status.weight"),
        ("Step", "integer", ".status.step"),
        ("Revision", "string", ".status.revision"),
        ("Message", "string", ".status.message"),
        ("Age", "date", ".metadata.creationTimestamp"),
    )
    return [{"name": name, "type": kind, "jsonPath": path} for name, kind, path in named]


def _resource() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "How new versions of one Deployment are brought into service, and where that stands.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(CanarySpec.model_json_schema(by_alias=True)),
            "status": _status(),
        },
    }


def structural(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a pydantic JSON schema as a structural one: references resolved, `or null` dropped, defaults written out.

    A field that may be a number or a string becomes `x-kubernetes-int-or-string`, unless it says how it is kept.
    """
    return _structural(schema, schema.get("$defs", {}))


def _structural(node: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    node = _resolved(node, known)
    if node.get(PRESERVE):
        return {key: node[key] for key in ("description", PRESERVE) if key in node}
    if "anyOf" in node:
        choices = [one for one in node["anyOf"] if one.get("type") != "null"]
        rest = {key: value for key, value in node.items() if key not in ("anyOf", "default") or value is not None}
        rest.pop("anyOf", None)
        if len(choices) > 1:
            return {"x-kubernetes-int-or-string": True, **{key: rest[key] for key in ("description",) if key in rest}}
        return _structural({**choices[0], **{key: value for key, value in rest.items() if value is not None}}, known)
    made = {key: node[key] for key in (*KEPT, *LIMITS) if key in node and node[key] is not None}
    if "default" in made:
        made["default"] = _without_nulls(made["default"])
    if "const" in node:
        made = {**made, "type": "string", "enum": [node["const"]]}
    if "properties" in node:
        made["properties"] = {name: _structural(inner, known) for name, inner in node["properties"].items()}
        if node.get("required"):
            made["required"] = node["required"]
    if "items" in node:
        made["items"] = _structural(node["items"], known)
    return made


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _resolved(node: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node or "allOf" in node:
        reference = node.get("$ref") or node["allOf"][0]["$ref"]
        outer = {key: value for key, value in node.items() if key not in ("$ref", "allOf")}
        node = {**known[reference.rsplit("/", 1)[1]], **outer}
    return node


_TEXT = {"type": "string"}
_WHOLE = {"type": "integer"}
_NUMBER = {"type": "number"}
_TIME = {"type": "string", "format": "date-time"}


def _of(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


def _list(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _of(**fields)}


def _enum(words: type) -> dict[str, Any]:
    return {"type": "string", "enum": [str(word) for word in words]}  # type: ignore[attr-defined]


def _status() -> dict[str, Any]:
    """Return the schema of what status.py writes."""
    return _of(
        phase=_enum(Phase),
        weight={**_WHOLE, "description": "Percent at the canary, as decided."},
        observedWeight={**_WHOLE, "description": "Percent at the canary, as read back from the mesh."},
        step={**_WHOLE, "description": "The present step, counted from 0; -1 before the first."},
        revision={**_TEXT, "description": "Under test or last tested."},
        stableRevision={**_TEXT, "description": "What serves."},
        targetGeneration=_WHOLE,
        failedChecks=_WHOLE,
        checks=_list(
            name=_TEXT,
            value=_NUMBER,
            limit=_NUMBER,
            requests=_WHOLE,
            verdict=_enum(Result),
            message=_TEXT,
            at=_TIME,
        ),
        message={**_TEXT, "description": "What it waits for, or why it ended."},
        startedAt=_TIME,
        lastTransitionTime=_TIME,
        observedGeneration=_WHOLE,
        lastCommand=_of(name=_enum(CommandName), revision=_TEXT, at=_TIME, by=_TEXT),
        history=_list(
            revision=_TEXT,
            image=_TEXT,
            outcome=_enum(Outcome),
            message=_TEXT,
            startedAt=_TIME,
            endedAt=_TIME,
            highestWeight=_WHOLE,
        ),
        conditions=_list(type=_TEXT, status=_enum(Truth), reason=_TEXT, message=_TEXT, lastTransitionTime=_TIME),
        version=_WHOLE,
        memory={"type": "object", PRESERVE: True, "description": "The controller's own; not for editing."},
    )
