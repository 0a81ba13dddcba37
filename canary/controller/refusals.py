"""What cannot be worked with, said by name before anything is touched (ROLLOUT, end of section 4). Pure reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from canary.controller.indexes import canaries_of, deployments_matching
from canary.controller.names import (
    GENERATED,
    LONGEST_NAME,
    canary_service_ref,
    is_ours,
    labels_of,
    primary_ref,
)
from canary.controller.objects import is_made_for
from canary.controller.scalers import scalers_of
from canary.ports import CLAIM, Cluster
from canary.rollout.model import Fault, Plan
from meshes.contract import Manifest, ObjectRef


def refusals(cluster: Cluster, plan: Plan, canary: Manifest, target: Manifest) -> Iterator[Fault]:
    """Yield every reason why this Deployment cannot be onboarded as it is."""
    yield from _conflicts(cluster, plan, canary)
    yield from _names(cluster, plan)
    yield from _selector(cluster, plan, target)
    yield from _ports(plan, target)
    yield from _volumes(cluster, plan, target)
    yield from _overlaps(cluster, plan, target)
    yield from _autoscalers(cluster, plan)


def _conflicts(cluster: Cluster, plan: Plan, canary: Manifest) -> Iterator[Fault]:
    """A user's own Canary beats a generated one, then the older one wins."""

    def rank(one: Manifest) -> tuple[bool, str, str]:
        metadata = one["metadata"]
        return (labels_of(one).get(GENERATED) == "true", metadata["creationTimestamp"], metadata["name"])

    for other in canaries_of(cluster, plan.namespace, plan.target):
        name = other["metadata"]["name"]
        if name != plan.name and rank(other) < rank(canary):
            yield Fault(
                reason="TargetConflict",
                message=f"Canary {name} has the target {plan.target} too and goes first; delete one of them",
            )


def _names(cluster: Cluster, plan: Plan) -> Iterator[Fault]:
    for ref in (primary_ref(plan.namespace, plan.target), canary_service_ref(plan.namespace, plan.target)):
        if len(ref.name) > LONGEST_NAME:
            yield Fault(
                reason="NameTooLong",
                message=f"{ref} would have a name of {len(ref.name)} characters, {LONGEST_NAME} are allowed; give the "
                "Deployment a shorter name",
            )
        taken = cluster.get(ref)
        if taken is not None and not is_ours(taken, plan.target):
            yield Fault(
                reason="NameTaken",
                message=f"{ref} is there already and not of this controller; rename or delete it, it is not touched",
            )


def _selector(cluster: Cluster, plan: Plan, target: Manifest) -> Iterator[Fault]:
    """A selector cannot be changed: what serves has the labels for which that of its Deployment asked."""
    primary = cluster.get(primary_ref(plan.namespace, plan.target))
    if primary is None or not is_ours(primary, plan.target):
        return
    if not is_made_for(primary, target):
        yield Fault(
            reason="SelectorChanged",
            message=f"Deployment {plan.target} came back with another selector than {plan.target}-primary was made "
            "for; give it the selector that it had, or delete its Canary and create it again",
        )


def _ports(plan: Plan, target: Manifest) -> Iterator[Fault]:
    spec: Mapping[str, Any] = target["spec"]["template"]["spec"]
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        if spec.get("hostNetwork") or any(port.get("hostPort") for port in container.get("ports") or ()):
            yield Fault(
                reason="HostPort",
                message=f"Deployment {plan.target}: container {container['name']} takes a port of its node, so primary "
                "and candidate could not run side by side; use a Service instead of hostPort and hostNetwork",
            )


def _volumes(cluster: Cluster, plan: Plan, target: Manifest) -> Iterator[Fault]:
    """Claims that one pod, or with strategy Recreate one node, has to itself."""
    recreates = (target["spec"].get("strategy") or {}).get("type") == "Recreate"
    for volume in target["spec"]["template"]["spec"].get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name is None:
            continue
        claim = cluster.get(ObjectRef(CLAIM, plan.namespace, name))
        why = unshared(claim, recreates=recreates)
        if why:
            yield Fault(
                reason="VolumeNotShared",
                message=f"Deployment {plan.target}: PersistentVolumeClaim {name} of its volume {volume['name']} {why}, "
                "so primary and candidate could not run side by side; give them a claim with ReadWriteMany",
            )


def unshared(claim: Manifest | None, *, recreates: bool) -> str:
    """Return why pods cannot share a claim, "" when they can. Its access modes are what its volume is able to do.

    ReadWriteOnce is one node, not one pod: who rolls without Recreate shares it already (API reference of claims).
    """
    if claim is None:
        return "is not there" if recreates else ""
    modes = set(claim["spec"].get("accessModes") or ())
    if modes & {"ReadWriteMany", "ReadOnlyMany"}:
        return ""
    if modes == {"ReadWriteOncePod"}:
        return "is ReadWriteOncePod, for a single pod"
    return "is ReadWriteOnce, and the strategy is Recreate" if recreates else ""


def _overlaps(cluster: Cluster, plan: Plan, target: Manifest) -> Iterator[Fault]:
    for other in deployments_matching(cluster, plan.namespace, target["spec"]["selector"]):
        name = other["metadata"]["name"]
        if name != plan.target and not is_ours(other, plan.target):
            yield Fault(
                reason="SelectorOverlap",
                message=f"the selector of Deployment {plan.target} matches the pods of Deployment {name} too; give "
                "them labels that tell them apart",
            )


def _autoscalers(cluster: Cluster, plan: Plan) -> Iterator[Fault]:
    """One autoscaler follows the primary; with two, both would stop working (`AmbiguousSelector`)."""
    found = scalers_of(cluster, plan.namespace, plan.target)
    if len(found) > 1:
        names = " and ".join(one.name for one in found)
        yield Fault(
            reason="AutoscalerConflict",
            message=f"{names} scale {plan.target} and its primary; keep one, pointed at either of the two",
        )
