"""What Argo CD and Flux would say of an object by the health checks of docs/gitops.md, evaluated as they do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import yaml
from celpy import Environment, Runner
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError
from lupa.lua51 import LuaRuntime  # type: ignore[import-untyped]

from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "gitops.md"
LUA_KEY = "resource.customizations.health.canary.delivery_Canary"
IN_ORDER = {"inProgress": "InProgress", "failed": "Failed", "current": "Current"}
"""The expressions in the order in which Flux evaluates them, with what each means."""


def argo(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """Return the health, and the message, that Argo CD shows: the page's Lua is run as the body of a function of `obj`.

    Argo CD has Lua 5.1, and shows no health for what raises; so does this raise.
    """
    found = _lua()(_table(manifest))
    return str(found["status"]), str(found["message"])


def flux(manifest: Mapping[str, Any]) -> str:
    """Return the status that Flux computes: by the generations first, then by the first expression that is true.

    Where an expression raises, Flux says Unknown and asks again later.
    """
    observed = (manifest.get("status") or {}).get("observedGeneration")
    if observed is not None and observed != manifest["metadata"]["generation"]:
        return "InProgress"
    if "status" not in manifest:
        return "Unknown"  # cel-go knows no such attribute; celpy takes it for absent
    try:
        for name, meaning in IN_ORDER.items():
            if _expressions()[name].evaluate(json_to_cel(manifest)):  # type: ignore[arg-type]
                return meaning
    except CELEvalError:
        return "Unknown"
    return "InProgress"


def _snippets() -> list[Any]:
    return [one for block in blocks("yaml", PAGE) for one in yaml.safe_load_all(block.text)]


@cache
def _lua() -> Callable[[Any], Any]:
    [text] = [one["data"][LUA_KEY] for one in _snippets() if LUA_KEY in one.get("data", ())]
    function: Callable[[Any], Any] = _runtime().eval(f"function(obj)\n{text}\nend")
    return function


@cache
def _runtime() -> Any:
    return LuaRuntime(register_eval=False)


def _table(value: Any) -> Any:
    return _runtime().table_from(value, recursive=True)


@cache
def _expressions() -> dict[str, Runner]:
    [checks] = [one["spec"]["healthCheckExprs"] for one in _snippets() if "healthCheckExprs" in one.get("spec", ())]
    [ours] = [one for one in checks if (one["apiVersion"], one["kind"]) == ("canary.delivery/v1alpha1", "Canary")]
    environment = Environment()
    return {name: environment.program(environment.compile(ours[name])) for name in IN_ORDER}
