"""A spec of canary as manifests: a Canary, or a Deployment's annotations to be merged into its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from canary.spec.annotations import API_VERSION, ENABLED, KIND
from canary.spec.keys import CHECK, OFF, PREFIX
from canary.spec.table import KEYS


def as_canary(namespace: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return our Canary."""
    named = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": named, "spec": dict(spec)}


def as_annotations(namespace: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Deployment with its annotations alone: not to be applied, but merged into the Deployment's file."""
    named = {"name": spec["targetRef"]["name"], **({"namespace": namespace} if namespace else {})}
    annotations = {ENABLED: "true", **dict(_annotations(spec))}
    metadata = {**named, "annotations": annotations}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}


def as_yaml(manifest: Mapping[str, Any]) -> str:
    """Return a manifest as people write it: queries of several lines as blocks."""
    return yaml.dump(dict(manifest), Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    pass


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text_node)


def _annotations(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in KEYS:
        value: Any = spec
        for part in key.path:
            value = value.get(part) if isinstance(value, Mapping) else None
        if not key.path or value is None or key.path == ("analysis", "checks"):
            continue
        yield PREFIX + key.name, _steps(value) if key.name == "steps" else _text(value)
    checks = (spec.get("analysis") or {}).get("checks")
    if checks is not None:
        yield from _checks(checks)


def _checks(checks: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    builtins = {check["builtin"]: check for check in checks if "builtin" in check}
    if "success-rate" not in builtins:
        yield f"{PREFIX}success-rate", OFF
    for name, check in builtins.items():
        yield PREFIX + name, _text(check.get("min", check.get("max")))
    for check in checks:
        if "query" in check:
            side, sign = ("min", ">=") if "min" in check else ("max", "<=")
            yield f"{PREFIX}{CHECK}{check['name']}", f"{check['query']} {sign} {check[side]}"


def _steps(steps: list[Mapping[str, Any]]) -> str:
    return ",".join(str(step["weight"]) for step in steps)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
