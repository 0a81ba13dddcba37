"""Gathers all that one pass decides on, from caches alone: the World of the rules, and the live objects to act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from canary.controller import pods as podlist
from canary.controller.commands import command_on
from canary.controller.measure import Subject, pods_of
from canary.controller.names import (
    HASH_LABEL,
    PRIMARY_ROLE,
    REVISION,
    ROLE,
    TARGET,
    canary_service_ref,
    is_ours,
    labels_of,
    primary_ref,
)
from canary.controller.refusals import refusals
from canary.controller.revisions import RESTARTED_AT, key_in, owned_sets, replica_set_of, revision_of
from canary.controller.services import Around, is_narrow, look_around
from canary.ports import CONTROLLER_REVISION, DEPLOYMENT, HPA, NAMESPACE, POD, REPLICA_SET, Cluster
from canary.rollout.model import Apex, Autoscaler, Fault, Plan, Primary, Side, Stage, Status, Target, World
from canary.rollout.phases import Phase
from meshes.contract import Kind, Manifest, Mesh, ObjectRef, Route, RouteError, Seen, Workload

DEFAULT_DEADLINE = timedelta(minutes=10)
"""`progressDeadlineSeconds` of a Deployment that sets none (API reference of apps/v1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a pass looks through. `faults` are what was found before: in annotations, in the spec."""

    cluster: Cluster
    mesh: Mesh
    plan: Plan
    status: Status
    canary: Manifest
    now: datetime
    pull_errors: podlist.PullErrors
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was found. Objects are None when they are not there; `route` is None while the apex's port is unknown."""

    world: World
    canary: Manifest
    target: Manifest | None
    primary: Manifest | None
    canary_service: Manifest | None
    around: Around | None
    route: Route | None
    live_route: Manifest | None
    stored: Mapping[str, Manifest]
    command_at: Manifest | None


def observe(sight: Sight) -> Observation:
    """Return what is true now as far as the caches know. Makes no request."""
    cluster, plan = sight.cluster, sight.plan
    target = _living(cluster.get(ObjectRef(DEPLOYMENT, plan.namespace, plan.target)))
    primary = cluster.get(primary_ref(plan.namespace, plan.target))
    primary = primary if primary is not None and is_ours(primary, plan.target) else None
    service = cluster.get(canary_service_ref(plan.namespace, plan.target))
    service = service if service is not None and is_ours(service, plan.target) else None
    shape = target or primary
    around = look_around(cluster, plan, shape) if shape is not None else None
    route = _route(sight, around)
    live_route = cluster.get(sight.mesh.route_ref(route)) if route is not None else None
    stored = {
        key_in(one): one
        for one in cluster.list(CONTROLLER_REVISION, plan.namespace, {TARGET: plan.target})
        if is_ours(one, plan.target) and key_in(one)
    }
    command, command_at = command_on(sight.canary, target, sight.status, _key(cluster, target))
    faults = [*sight.faults, *(around.faults if around else ())]
    if target is not None:
        faults += refusals(cluster, plan, sight.canary, target)
        faults += _route_faults(sight, route)
    world = World(
        target=_target(sight, target) if target is not None else None,
        primary=_primary(sight, primary) if primary is not None else None,
        split=sight.mesh.observe(route, live_route) if route is not None else _NO_ROUTE,
        apex=_apex(sight, around),
        canary_pin=(service["spec"].get("selector") or {}).get(HASH_LABEL, "") if service is not None else None,
        stored=frozenset(stored),
        generation=int(sight.canary["metadata"].get("generation", 1)),
        autoscaler=_autoscaler(cluster, plan),
        command=command,
        leaving=bool(sight.canary["metadata"].get("deletionTimestamp")),
        namespace_terminating=_terminating(cluster, plan.namespace),
        faults=tuple(faults),
    )
    return Observation(
        world=world,
        canary=sight.canary,
        target=target,
        primary=primary,
        canary_service=service,
        around=around,
        route=route,
        live_route=live_route,
        stored=stored,
        command_at=command_at,
    )


_NO_ROUTE = Seen(weight=None, accepted=False, because="the port of the apex is not known")


def subjects(observation: Observation, plan: Plan, status: Status) -> Mapping[Side, Subject]:
    """Return whose requests the checks are about: the pods of the revision under test, and those of the primary."""
    route = observation.route
    if route is None:
        return {}
    pin = status.revision.pin if status.revision else ""
    shown = {Side.CANARY: status.revision, Side.PRIMARY: status.stable}
    workloads = {
        Side.CANARY: (plan.target, route.canary, pods_of(plan.target, pin)),
        Side.PRIMARY: (f"{plan.target}-primary", route.apex, pods_of(f"{plan.target}-primary", "")),
    }
    found: dict[Side, Subject] = {}
    for side, (deployment, service, names) in workloads.items():
        workload = Workload(
            namespace=plan.namespace,
            deployment=deployment,
            service=service,
            pods=names,
            port=route.port,
            protocol=route.protocol,
        )
        revision = shown[side]
        found[side] = Subject(workload=workload, revision=revision.shown if revision else "")
    return found


def _living(target: Manifest | None) -> Manifest | None:
    return None if target is None or target["metadata"].get("deletionTimestamp") else target


def _key(cluster: Cluster, target: Manifest | None) -> str:
    return revision_of(target, cluster.list(REPLICA_SET, target["metadata"]["namespace"])).key if target else ""


def _route(sight: Sight, around: Around | None) -> Route | None:
    plan = sight.plan
    if around is None or around.ports is None:
        return None
    route = Route(
        namespace=plan.namespace,
        target=plan.target,
        apex=plan.service.name,
        canary=canary_service_ref(plan.namespace, plan.target).name,
        port=around.ports.number,
        port_name=around.ports.name,
        protocol=around.ports.protocol,
        user_route=plan.route,
        served=(),
        options={"kuma-form": plan.kuma_form},
    )
    kind: Kind = sight.mesh.route_kind(route)
    return replace(route, served=sight.cluster.served(kind))


def _route_faults(sight: Sight, route: Route | None) -> list[Fault]:
    if route is None:
        return []
    kind = sight.mesh.route_kind(route)
    if not route.served:
        return [
            Fault(
                reason="MeshNotInstalled",
                message=f"the cluster serves no {kind}; install {sight.mesh.name}, or name the mesh that is installed "
                "with canary.delivery/mesh",
            )
        ]
    error: RouteError | None = sight.mesh.conflict(route, sight.cluster.list(kind))
    if error is None:
        try:
            live = sight.cluster.get(sight.mesh.route_ref(route))
            sight.mesh.render(route, 0, live)
        except RouteError as refused:
            error = refused
    return [] if error is None else [Fault(reason=error.reason, message=str(error))]


def _target(sight: Sight, target: Manifest) -> Target:
    cluster, plan, status = sight.cluster, sight.plan, sight.status
    sets = cluster.list(REPLICA_SET, plan.namespace)
    owned = owned_sets(target, sets)
    present = replica_set_of(target, owned)
    revision = revision_of(target, owned)
    uids = {one["metadata"]["uid"] for one in owned}
    pods = [
        pod
        for pod in cluster.list(POD, plan.namespace)
        if not podlist.is_over(pod) and any(o["uid"] in uids for o in pod["metadata"].get("ownerReferences") or ())
    ]
    of_present = podlist.of_hash(pods, revision.pin)
    tested = status.revision.pin if status.revision else ""
    if status.phase in (None, Phase.INITIALIZING) or status.memory.stage in (Stage.LEAVING, Stage.REPLACING):
        ready = sum(podlist.is_ready(pod) for pod in of_present)
        looked_at = of_present
    else:
        behind = podlist.listed_behind(cluster, plan.namespace, canary_service_ref(plan.namespace, plan.target).name)
        looked_at = podlist.of_hash(pods, tested)
        ready = sum(podlist.is_ready(pod) and behind.lists(pod) for pod in looked_at)
    spec, seen = target["spec"], target.get("status") or {}
    updated = seen.get("updatedReplicas", 0) == seen.get("replicas", 0) == spec.get("replicas", 1)
    deadline = spec.get("progressDeadlineSeconds")
    return Target(
        generation=int(target["metadata"]["generation"]),
        revision=revision,
        replicas=int(spec.get("replicas", 1)),
        paused=bool(spec.get("paused")),
        pods=len(pods),
        other_pods=len(pods) - len(of_present),
        ready=ready,
        settled=seen.get("observedGeneration", 0) >= target["metadata"]["generation"] and updated,
        # The greatest int32 stands for no deadline (API reference).
        progress_deadline=timedelta(seconds=min(int(deadline), 7 * 86400)) if deadline else DEFAULT_DEADLINE,
        trouble=podlist.trouble(looked_at, present, sight.pull_errors.seen(looked_at, sight.now)),
    )


def _primary(sight: Sight, primary: Manifest) -> Primary:
    pods = primary_pods(sight)
    present = replica_set_of(primary, sight.cluster.list(REPLICA_SET, sight.plan.namespace))
    of_present = podlist.of_hash(pods, labels_of(present).get(HASH_LABEL, "") if present else "")
    spec, seen, metadata = primary["spec"], primary.get("status") or {}, primary["metadata"]
    replicas = int(spec.get("replicas", 1))
    counted = [int(seen.get(field, 0)) for field in ("replicas", "updatedReplicas", "readyReplicas")]
    caught_up = seen.get("observedGeneration", 0) >= metadata["generation"]
    notes = (spec["template"].get("metadata") or {}).get("annotations") or {}
    return Primary(
        key=labels_of(primary).get(REVISION, ""),
        restarted_at=notes.get(RESTARTED_AT, ""),
        replicas=replicas,
        ready=sum(podlist.is_ready(pod) for pod in of_present),
        rolled_out=caught_up and counted == [replicas] * 3,
        deleting=bool(metadata.get("deletionTimestamp")),
        foreground="foregroundDeletion" in (metadata.get("finalizers") or ()),
        trouble=podlist.trouble(of_present, present, sight.pull_errors.seen(of_present, sight.now)),
    )


def primary_pods(sight: Sight) -> list[Manifest]:
    """Return the pods that serve, by their labels."""
    labels = {ROLE: PRIMARY_ROLE, TARGET: sight.plan.target}
    return [pod for pod in sight.cluster.list(POD, sight.plan.namespace, labels) if not podlist.is_over(pod)]


def _apex(sight: Sight, around: Around | None) -> Apex:
    if around is None or around.apex is None:
        return Apex(exists=False, narrow=False, primary_only=False)
    services = (around.apex, *around.others)
    pods = primary_pods(sight)
    namespace = sight.plan.namespace
    behind = [podlist.listed_behind(sight.cluster, namespace, one["metadata"]["name"]) for one in services]
    return Apex(
        exists=True,
        narrow=all(is_narrow(one, sight.plan.target) for one in services),
        primary_only=all(podlist.only_lists(listed, pods) for listed in behind),
    )


def _autoscaler(cluster: Cluster, plan: Plan) -> Autoscaler | None:
    """Return the autoscaler that the user pointed at the primary; one that points elsewhere is refused."""
    name = primary_ref(plan.namespace, plan.target).name
    for scaler in cluster.list(HPA, plan.namespace) if cluster.served(HPA) else ():
        goal = scaler["spec"]["scaleTargetRef"]
        if goal.get("kind") == DEPLOYMENT.kind and goal["name"] == name:
            return Autoscaler(at_primary=True, floor=int(scaler["spec"].get("minReplicas") or 1))
    return None


def _terminating(cluster: Cluster, namespace: str) -> bool:
    found = cluster.get(ObjectRef(NAMESPACE, "", namespace))
    return found is not None and bool(found["metadata"].get("deletionTimestamp"))
