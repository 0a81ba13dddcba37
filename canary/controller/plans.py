"""The plans of canaries, read once for each change of a spec: most passes find what the one before found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.controller.queue import Key
from canary.rollout.model import Plan, Timing
from canary.spec.plan import plan_from
from meshes.contract import Manifest


class Plans:
    """What specs ask for, under the settings of the controller."""

    def __init__(self, timing: Timing, default_mesh: str) -> None:
        self._timing = timing
        self._default_mesh = default_mesh
        self._read: dict[Key, tuple[Mapping[str, Any], Plan]] = {}

    def wanted(self, key: Key, canary: Manifest) -> Plan:
        """Return what the spec asks for. Raises what `plan_from` raises."""
        spec, known = canary.get("spec") or {}, self._read.get(key)
        if known is not None and known[0] == spec:
            return known[1]
        plan = plan_from(canary, timing=self._timing, default_mesh=self._default_mesh)
        self._read[key] = (spec, plan)
        return plan

    def forget(self, key: Key) -> None:
        """Drop a canary that is gone."""
        self._read.pop(key, None)
