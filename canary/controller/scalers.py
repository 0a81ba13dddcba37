"""The user's autoscaler: pointed at the primary, its least size held while something runs, and all of it put back.

No copy is made: two that select the same pods both stop working (ROLLOUT section 4). What the least size was stands in
an annotation of the autoscaler itself, written together with the size that is held. Pure: manifests in, patches out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canary.controller.drift import setter
from canary.controller.indexes import goals
from canary.controller.names import PREFIX, annotations_of, primary_ref
from canary.ports import DEPLOYMENT, HPA, Cluster
from canary.rollout.model import Autoscaler, ScalerWanted
from meshes.contract import Kind, Manifest

SCALED_OBJECT = Kind("keda.sh", "ScaledObject")
KINDS = (HPA, SCALED_OBJECT)
NOTE = f"{PREFIX}least-was"
"""The annotation, JSON: `{"held": 4, "was": 2}`; `was` is null where the user had set none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaler:
    """One autoscaler. `goal` is the Deployment that it scales; `least` the size below which it does not go now."""

    manifest: Manifest
    goal: str
    least: int
    most: int | None

    @property
    def name(self) -> str:
        """Kind and name, for messages."""
        return f"{self.manifest['kind']} {self.manifest['metadata']['name']}"


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where a kind of autoscaler keeps its bounds, and what its least size is when it says nothing (API reference)."""

    least: str
    most: str
    default: int


_SHAPES: Mapping[str, _Shape] = {
    HPA.kind: _Shape("minReplicas", "maxReplicas", 1),
    SCALED_OBJECT.kind: _Shape("minReplicaCount", "maxReplicaCount", 0),
}


def scalers_of(cluster: Cluster, namespace: str, target: str) -> Sequence[Scaler]:
    """Return the autoscalers of a target and of its primary, by kind and name.

    An HPA that KEDA made follows its ScaledObject and is left out.
    """
    names = (target, primary_ref(namespace, target).name)
    manifests = [
        one
        for kind in KINDS
        if cluster.served(kind)
        for name in names
        for one in cluster.find(goals(kind), (namespace, name))
    ]
    found = [_read(one) for one in manifests if not _made_by_keda(one)]
    mine = [one for one in found if one.goal in names]
    return sorted(mine, key=lambda one: one.name)


def seen(scaler: Scaler, target: str) -> Autoscaler:
    """Return what the rules must know of it."""
    return Autoscaler(
        at_primary=scaler.goal != target,
        floor=scaler.least,
        sleeps=scaler.manifest["kind"] == SCALED_OBJECT.kind or scaler.least == 0,
        name=scaler.name,
        aimed_by=setter(scaler.manifest, "scaleTargetRef"),
    )


def change(scaler: Scaler, target: str, wanted: ScalerWanted, floor: int | None) -> dict[str, Any]:
    """Return the patch to where it is to point and to its least size; {} when nothing is to change.

    `floor` None gives the user's own least size back; where that is higher than `floor` it stays.
    """
    spec: dict[str, Any] = {}
    goal = {ScalerWanted.PRIMARY: f"{target}-primary", ScalerWanted.TARGET: target}.get(wanted, scaler.goal)
    if goal != scaler.goal:
        spec["scaleTargetRef"] = {"name": goal}
    note = _note(scaler)
    mark: str | None = None
    if floor is None and note is not None:
        spec[_shape(scaler).least] = note["was"]
    elif floor is not None:
        was = note["was"] if note is not None else scaler.manifest["spec"].get(_shape(scaler).least)
        least = max(floor, _shape(scaler).default if was is None else int(was))
        held = least if scaler.most is None else min(least, scaler.most)
        if held != scaler.least:
            spec[_shape(scaler).least] = held
            mark = json.dumps({"held": held, "was": was})
        elif note is not None:
            mark = annotations_of(scaler.manifest)[NOTE]
    notes = {} if mark == annotations_of(scaler.manifest).get(NOTE) else {"annotations": {NOTE: mark}}
    return {**({"metadata": notes} if notes else {}), **({"spec": spec} if spec else {})}


def _note(scaler: Scaler) -> dict[str, Any] | None:
    """Return what was noted, None when nothing was, or when somebody set another least size since: theirs counts."""
    try:
        note = json.loads(annotations_of(scaler.manifest).get(NOTE, "null"))
        sound = isinstance(note, dict) and note["held"] == scaler.least
        return {"was": None if note["was"] is None else int(note["was"])} if sound else None
    except (ValueError, KeyError, TypeError):
        return None


def _read(manifest: Manifest) -> Scaler:
    shape, spec = _SHAPES[manifest["kind"]], manifest["spec"]
    goal = spec.get("scaleTargetRef") or {}
    least, most = spec.get(shape.least), spec.get(shape.most)
    return Scaler(
        manifest=manifest,
        goal=str(goal.get("name", "")) if goal.get("kind", DEPLOYMENT.kind) == DEPLOYMENT.kind else "",
        least=shape.default if least is None else int(least),
        most=None if most is None else int(most),
    )


def _shape(scaler: Scaler) -> _Shape:
    return _SHAPES[scaler.manifest["kind"]]


def _made_by_keda(manifest: Manifest) -> bool:
    owners = manifest["metadata"].get("ownerReferences") or ()
    return any(owner["kind"] == SCALED_OBJECT.kind for owner in owners)
