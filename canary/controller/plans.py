"""Which plan is in force: what the spec asks for, else what it asked for when it last was good.

A spec is read once for each change of it: most passes find what the one before found. The spec that was last good of a
Canary that people write is kept in its status too, so that a fault in it and a restart together stop no rollout, no
abort and no leaving.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from canary.controller.due import Key
from canary.controller.moving import in_force, with_objects
from canary.controller.names import target_of
from canary.controller.tell import is_generated
from canary.errors import ConfigError
from canary.rollout.model import Plan, ServicePlan, Status, Timing
from canary.rollout.values import replace
from canary.spec.plan import plan_from
from meshes.contract import Manifest, Mesh

LONGEST_SPEC = 96 * 1024
"""Characters of a spec that is remembered, as JSON; none that the schema admits is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A plan with its mesh. `fault` is why the present spec cannot be worked with, "" when it can.

    `spec` is what is to be remembered as the spec that was last good, as JSON. Not `known`: no spec was good, and the
    plan only says whom to tell; nothing may be touched for it.
    """

    plan: Plan
    mesh: Mesh
    spec: str = ""
    fault: str = ""
    known: bool = True

    def noted(self, status: Status) -> Status:
        """Return the status with the objects that are worked with and the spec that asks for them, from the
        onboarding on; as it is for a plan that nobody asked for."""
        status = with_objects(status, self.plan) if self.known else status
        if not self.known or status.phase is None or status.memory.spec == self.spec:
            return status
        return replace(status, memory=replace(status.memory, spec=self.spec))


class Plans:
    """What specs ask for, under the settings of the controller. `mesh_named` returns an adapter or raises ConfigError.

    Remembers in this process the plan that was last good of each canary.
    """

    def __init__(self, timing: Timing, default_mesh: str, mesh_named: Callable[[str], Mesh]) -> None:
        self._timing = timing
        self._default_mesh = default_mesh
        self._mesh_named = mesh_named
        self._read: dict[Key, tuple[Mapping[str, Any], Plan, str]] = {}
        self._good: dict[Key, InForce] = {}

    def in_force(self, key: Key, canary: Manifest, status: Status) -> InForce:
        """Return the plan to work by. Raises ConfigError for a controller whose own mesh is not there."""
        try:
            plan, text = self._wanted(key, canary)
            found = self._with_mesh(in_force(plan, status), text)
        except ConfigError as error:
            good = self._good.get(key) or self._remembered(canary, status) or self._stand_in(canary)
            found = replace(good, fault=str(error))
        if found.known:
            self._good[key] = replace(found, fault="")
        return found

    def forget(self, key: Key) -> None:
        """Drop a canary that is gone."""
        self._read.pop(key, None)
        self._good.pop(key, None)

    def _wanted(self, key: Key, canary: Manifest) -> tuple[Plan, str]:
        spec, known = canary.get("spec") or {}, self._read.get(key)
        if known is None or known[0] != spec:
            known = self._read[key] = spec, self._plan(canary, spec), _text(canary, spec)
        return known[1], known[2]

    def _plan(self, canary: Manifest, spec: Any) -> Plan:
        return plan_from({**canary, "spec": spec}, timing=self._timing, default_mesh=self._default_mesh)

    def _with_mesh(self, plan: Plan, text: str) -> InForce:
        return InForce(plan=plan, mesh=self._mesh_named(plan.mesh), spec=text)

    def _remembered(self, canary: Manifest, status: Status) -> InForce | None:
        """Return what the status knows to have been good; None for nothing that can be worked with."""
        text = status.memory.spec
        try:
            return self._with_mesh(in_force(self._plan(canary, json.loads(text)), status), text)
        except (ConfigError, ValueError):
            return None

    def _stand_in(self, canary: Manifest) -> InForce:
        """Return a plan by which nothing is done, with the channel that the spec names if that can be read."""
        target = target_of(canary)
        quiet = {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "unknown"},
            "suspend": True,
            "trackConfig": "none",
            "analysis": {"checks": []},
        }
        try:
            plan = self._plan(canary, {**quiet, "notify": canary["spec"]["notify"]})
        except (ConfigError, LookupError, TypeError):
            plan = self._plan(canary, quiet)
        plan = replace(plan, target=target, service=ServicePlan(name=target))
        return replace(self._with_mesh(plan, ""), known=False)


def _text(canary: Manifest, spec: Mapping[str, Any]) -> str:
    """Return a good spec as it is remembered; "" for one that is too long, and for one that annotations restore."""
    text = "" if is_generated(canary) else json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return text if len(text) <= LONGEST_SPEC else ""
