"""How many pods each ReplicaSet of a Deployment should have: the arithmetic of the Deployment controller, pure.

Written after the behaviour of Kubernetes 1.36: rolling updates, unhealthy old pods first, proportional scaling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor
from typing import Any

from meshes.contract import Manifest

DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX = "deployment.kubernetes.io/max-replicas"

Sizes = Mapping[str, int]
"""The wanted size of ReplicaSets, by name; a ReplicaSet that is not in it keeps its size."""


def wanted(manifest: Manifest) -> int:
    """Return the size that a Deployment or ReplicaSet asks for."""
    return int(manifest["spec"]["replicas"])


def available(replica_set: Manifest) -> int:
    """Return how many of a ReplicaSet's pods are available."""
    return int(replica_set.get("status", {}).get("availableReplicas", 0))


def annotated(replica_set: Manifest, key: str) -> int | None:
    """Return the number that an annotation holds, None when it holds none."""
    text = (replica_set["metadata"].get("annotations") or {}).get(key, "")
    return int(text) if text.isdigit() else None


def max_surge(deployment: Manifest) -> int:
    """Return how many pods more than wanted a rolling update may have; percentages are rounded up."""
    return _bounds(deployment)[0]


def max_unavailable(deployment: Manifest) -> int:
    """Return how many pods fewer than wanted may be available; percentages are rounded down."""
    return min(_bounds(deployment)[1], wanted(deployment))


def new_size(deployment: Manifest, new: Manifest | None, olds: Sequence[Manifest]) -> int:
    """Return the size of the newest ReplicaSet (None: not made yet) in this pass of a roll."""
    size, goal = wanted(new) if new else 0, wanted(deployment)
    if size >= goal or deployment["spec"]["strategy"]["type"] == "Recreate":
        return goal
    room = goal + max_surge(deployment) - size - sum(map(wanted, olds))
    return size + max(0, min(room, goal - size))


def old_sizes(deployment: Manifest, new: Manifest, olds: Sequence[Manifest]) -> Sizes:
    """Return the sizes of the older ReplicaSets in this pass of a rolling update: unhealthy pods go first."""
    sizes = {each["metadata"]["name"]: wanted(each) for each in olds}
    least = wanted(deployment) - max_unavailable(deployment)
    spare = sum(sizes.values()) + wanted(new) - least - (wanted(new) - available(new))
    if not sum(sizes.values()) or spare <= 0:
        return {}
    for each in olds:
        gone = min(spare, max(0, wanted(each) - available(each)))
        sizes[each["metadata"]["name"]] -= gone
        spare -= gone
    surplus = sum(map(available, [*olds, new])) - least
    for each in olds:
        gone = max(0, min(surplus, sizes[each["metadata"]["name"]]))
        sizes[each["metadata"]["name"]] -= gone
        surplus -= gone
    return sizes


def scaled_sizes(deployment: Manifest, new: Manifest | None, olds: Sequence[Manifest]) -> Sizes:
    """Return the sizes after the Deployment's own size changed, or while it is paused: no roll goes on."""
    goal = wanted(deployment)
    everyone = [*olds, new] if new else list(olds)
    active = [each for each in everyone if wanted(each)]
    if len(active) <= 1:
        latest = active[0] if active else new or (olds[-1] if olds else None)
        return {latest["metadata"]["name"]: goal} if latest else {}
    if new and annotated(new, DESIRED) == goal == wanted(new) == available(new):
        return {each["metadata"]["name"]: 0 for each in olds}
    if deployment["spec"]["strategy"]["type"] != "RollingUpdate":
        return {}
    return _proportional(deployment, active)


def is_scaling(deployment: Manifest, sets: Sequence[Manifest]) -> bool:
    """Whether the Deployment's size changed since its ReplicaSets were last sized."""
    sized = [annotated(each, DESIRED) for each in sets if wanted(each)]
    return any(size is not None and size != wanted(deployment) for size in sized)


def _proportional(deployment: Manifest, active: Sequence[Manifest]) -> Sizes:
    sizes = {each["metadata"]["name"]: wanted(each) for each in active}
    goal = wanted(deployment)
    to_add = (goal + max_surge(deployment) if goal else 0) - sum(sizes.values())
    if not to_add:
        return sizes
    newest_first = sorted(active, key=lambda each: each["metadata"]["creationTimestamp"], reverse=to_add > 0)
    ordered = sorted(newest_first, key=wanted, reverse=True)
    added = 0
    for each in ordered:
        share = _share(deployment, each)
        share = min(share, to_add - added) if to_add > 0 else max(share, to_add - added)
        sizes[each["metadata"]["name"]] += share
        added += share
    sizes[ordered[0]["metadata"]["name"]] += to_add - added
    return {name: max(0, size) for name, size in sizes.items()}


def _share(deployment: Manifest, replica_set: Manifest) -> int:
    """What one ReplicaSet gains or loses, in proportion to the Deployment's greatest size before and now."""
    if not wanted(deployment):
        return -wanted(replica_set)
    before = annotated(replica_set, MAX) or int(deployment.get("status", {}).get("replicas", 0))
    if not before:
        return 0
    now = wanted(deployment) + max_surge(deployment)
    return floor(wanted(replica_set) * now / before + 0.5) - wanted(replica_set)


def _bounds(deployment: Manifest) -> tuple[int, int]:
    rolling: Mapping[str, Any] | None = deployment["spec"]["strategy"].get("rollingUpdate")
    if rolling is None or deployment["spec"]["strategy"]["type"] != "RollingUpdate":
        return 0, 0
    surge, unavailable = rolling["maxSurge"], rolling["maxUnavailable"]
    up = ceil(_number(surge, wanted(deployment)))
    down = floor(_number(unavailable, wanted(deployment)))
    return (up, down) if up or down else (0, 1)


def _number(bound: int | str, of: int) -> float:
    return int(bound[:-1]) * of / 100 if isinstance(bound, str) else bound
