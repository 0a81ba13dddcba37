"""A Canary that is pointed at other objects: another mesh, apex or route (ROLLOUT section 4, spec changes).

In mid-rollout what it began with stays in force; at rest the old route is given back before the new one is made.
"""

from __future__ import annotations

from canary.controller.act import Act
from canary.controller.observe import Observation
from canary.controller.removal import remove
from canary.errors import ConfigError
from canary.ports import Cluster
from canary.rollout.model import Decision, Plan, Removal, Status, Wanted
from canary.rollout.phases import Phase
from canary.rollout.values import replace
from meshes.contract import Manifest, Mesh


def takes_objects(status: Status) -> bool:
    """Return whether a canary may be pointed at other objects now: at rest, or before it has any."""
    return status.phase in (None, Phase.INITIALIZING) or status.phase.at_rest


def in_force(plan: Plan, status: Status) -> Plan:
    """Return the plan with the objects that are in force. Raises ConfigError for another target."""
    before = status.memory.objects
    if before is None:
        return plan
    if before.target != plan.target:
        raise ConfigError(
            f"spec.targetRef.name: found {plan.target}, allowed is {before.target}, which this Canary took into "
            "service; write another Canary for another Deployment, and delete this one to let its own leave"
        )
    return plan if takes_objects(status) else plan.with_objects(before)


def has_moved(plan: Plan, status: Status) -> bool:
    """Return whether the plan names other objects than those that are in service."""
    return status.memory.objects not in (None, plan.objects) and status.phase not in (None, Phase.INITIALIZING)


async def give_back(cluster: Cluster, mesh: Mesh, seen: Observation, *, canary: Manifest, status: Status) -> bool:
    """Give the route of `seen`, the old one, back as it was; return whether there was one that holds a split of ours.

    At rest no request depends on it: the apex selects the primary alone.
    """
    if seen.live_route is None or seen.route is None:
        return False
    because = f"{mesh.route_ref(seen.route)} is given back, the split moves to another route"
    decision = Decision(status=status, weight=None, wanted=Wanted(removal=Removal.ROUTE), because=because)
    act = Act(cluster=cluster, mesh=mesh, seen=seen, decision=decision, canary=canary)
    await remove(act)
    return act.route is None or act.route != seen.live_route


def with_objects(status: Status, plan: Plan) -> Status:
    """Return the status with the objects that the plan in force works with, from the onboarding on."""
    if status.phase is None or status.memory.objects == plan.objects:
        return status
    return replace(status, memory=replace(status.memory, objects=plan.objects))
