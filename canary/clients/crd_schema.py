"""Which fields the structural schema of a custom resource knows, kept small: hundreds of CRDs may be installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OPEN = "x-kubernetes-preserve-unknown-fields"
_SHAPE = ("properties", "items", "additionalProperties", OPEN)


def skeleton(schema: Any) -> Any:
    """Return an OpenAPI schema without all that does not say which fields there are."""
    if not isinstance(schema, Mapping):
        return schema
    kept = {key: schema[key] for key in _SHAPE if key in schema}
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = skeleton(kept[key])
    if "properties" in kept:
        kept["properties"] = {name: skeleton(inner) for name, inner in kept["properties"].items()}
    return kept


def knows(schema: Any, path: str) -> bool:
    """Return whether a schema knows the field at `path`; `[]` after a name goes into the items of a list.

    What lies inside a part that prunes nothing is known, whatever it is called.
    """
    now = schema
    for name in path.replace("[]", ".[]").split("."):
        if not isinstance(now, Mapping):
            return now is True
        if now.get(OPEN):
            return True
        now = now.get("items") if name == "[]" else now.get("properties", {}).get(name, now.get("additionalProperties"))
    return now is not None and now is not False
