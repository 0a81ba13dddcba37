"""Prints docs/canary-resource.md from the schema of the CRD: `python -m canary.spec.resource_reference`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from canary.spec.crd import COLUMNS, GROUP, VERSION, crd
from canary.spec.units import DURATION_PATTERN

_INTRODUCTION = f"""\
# The Canary resource

<!-- Made by `make docs` from canary/spec; changes by hand are lost. -->

`{GROUP}/{VERSION}`, kind `Canary`, short name `cny`. The controller makes one from
[annotations](annotations.md) and keeps it so. Write one yourself where a Deployment is not yours to annotate, or where
Argo CD or Flux are to see the health of a rollout; it goes before one that is made from annotations, whose settings
then do not count.

```yaml
apiVersion: {GROUP}/{VERSION}
kind: Canary
metadata:
  name: checkout
  namespace: shop
spec:
  targetRef:
    name: checkout
  mesh: istio
  analysis:
    interval: 1m
    steps:
      - weight: 5
      - weight: 10
        duration: 5m
        pause: true
      - weight: 50
    checks:
      - name: success-rate
        builtin: success-rate
        min: 99.5
      - name: latency-p99
        builtin: latency-p99
        max: 500ms
```

A check that is named in `checks` replaces the default list: leave the success rate in it. Durations are whole numbers
with `h`, `m`, `s` and `ms`, in that order: `90s`, `1m30s`, `500ms`, `2h`. Unknown fields are refused.
"""

_STATUS = """\
Only the controller writes it. Everything but `memory` is for people and programs; `memory` is what the next controller
goes on from after a restart, and is nobody else's business: who edits it gets `StatusUnreadable`, and a rollout that is
held.
"""


def reference() -> str:
    """Return the page as Markdown; the same text each time."""
    resource = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return "\n".join(
        [
            _INTRODUCTION,
            "## spec\n",
            "| field | type | default | meaning |",
            "|---|---|---|---|",
            *_rows("spec", resource["spec"], with_default=True),
            "",
            "## status\n",
            _STATUS,
            "| field | type | meaning |",
            "|---|---|---|",
            *_rows("status", resource["status"], with_default=False),
            "",
            "## What kubectl shows\n",
            "| column | field |",
            "|---|---|",
            *(f"| {column['name']} | `{column['jsonPath'].removeprefix('.')}` |" for column in COLUMNS),
            "",
        ]
    )


def fields(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yield each field below a schema with its path, its own schema and whether it must be there."""
    for name, inner in schema.get("properties", {}).items():
        below = f"{path}.{name}"
        yield below, inner, name in schema.get("required", ())
        yield from fields(below, inner)
        yield from fields(f"{below}[]", inner.get("items", {}))


def _rows(path: str, schema: Mapping[str, Any], *, with_default: bool) -> Iterator[str]:
    for below, inner, required in fields(path, schema):
        cells = [f"`{below}`", _type(inner)]
        if with_default:
            cells.append(_default(inner, required=required))
        cells.append(inner.get("description", "-"))
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _default(schema: Mapping[str, Any], *, required: bool) -> str:
    default = schema.get("default")
    if required:
        return "required"
    if default in (None, {}, ""):
        return "-"
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if schema.get("pattern") == DURATION_PATTERN:
        return "duration"
    if schema.get("format") == "date-time":
        return "time"
    if schema.get("x-kubernetes-int-or-string"):
        return "number or name"
    kind: str = schema.get("type", "number or duration")
    if kind == "array":
        inside = _type(schema["items"])
        return f"list of {inside}s" + (f", at most {schema['maxItems']}" if "maxItems" in schema else "")
    if kind == "integer":
        return _ranged(schema)
    return {"boolean": "`true` or `false`", "string": "text"}.get(kind, kind)


def _ranged(schema: Mapping[str, Any]) -> str:
    if "minimum" not in schema:
        return "whole number"
    return f"whole number from {schema['minimum']} to {schema['maximum']}"


if __name__ == "__main__":
    sys.stdout.write(reference())
