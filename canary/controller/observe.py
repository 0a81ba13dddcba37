"""Gathers all that one pass decides on, from caches alone: the World of the rules, and the live objects to act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from canary.controller.apex import apex_now
from canary.controller.commands import command_on
from canary.controller.config import Config, config_faults, is_intact
from canary.controller.indexes import pods_of_sets, routed, sets_of
from canary.controller.measure import Subject, pods_of
from canary.controller.names import (
    COMMAND,
    HASH_LABEL,
    TARGET,
    annotations_of,
    canary_service_ref,
    is_ours,
    primary_ref,
)
from canary.controller.refusals import refusals
from canary.controller.revisions import key_in, revision_of
from canary.controller.scalers import Scaler, scalers_of, seen
from canary.controller.services import Around, look_around, narrowed
from canary.controller.sides import Sight, primary_now, target_now
from canary.ports import CONTROLLER_REVISION, DEPLOYMENT, NAMESPACE, Cluster, ref_of
from canary.rollout.model import Command, Fault, Plan, Side, Status, World
from canary.rollout.values import replace
from meshes.contract import ANY, Kind, Manifest, ObjectRef, Route, RouteError, Seen, Workload, claiming, resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The live objects around the target `name`. They are None when they are not there, or not ours where they should
    be; `route` is None while the apex's port is unknown.
    """

    name: str
    canary: Manifest
    target: Manifest | None
    primary: Manifest | None
    canary_service: Manifest | None
    around: Around
    scaler: Scaler | None
    route: Route | None
    live_route: Manifest | None
    stored: Mapping[str, Manifest]
    command: Command | None
    command_at: Manifest | None
    config: Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Live):
    """The live objects, and what they say to the rules."""

    world: World


def observe(sight: Sight) -> Observation:
    """Return what is true now as far as the caches know. Makes no request."""
    live = _live(sight)
    if sight.pull_errors.since:
        sight.pull_errors.forget_all_but(_pods(sight, live))
    return Observation(world=_world(sight, live), **{part.name: getattr(live, part.name) for part in fields(live)})


def _live(sight: Sight) -> Live:
    cluster, plan = sight.cluster, sight.plan
    target = _living(cluster.get(ObjectRef(DEPLOYMENT, plan.namespace, plan.target)))
    primary = _ours(cluster.get(primary_ref(plan.namespace, plan.target)), plan)
    shape = target or primary
    around = look_around(cluster, plan, shape, sight.mesh) if shape is not None else narrowed(cluster, plan)
    route = _route(sight, around)
    command, command_at = command_on(sight.canary, target, sight.status, _key(sight, target))
    return Live(
        name=plan.target,
        canary=sight.canary,
        target=target,
        primary=primary,
        canary_service=_ours(cluster.get(canary_service_ref(plan.namespace, plan.target)), plan),
        around=around,
        scaler=next(iter(scalers_of(cluster, plan.namespace, plan.target)), None),
        route=route,
        live_route=cluster.get(sight.mesh.route_ref(route)) if route is not None else None,
        stored={
            key_in(one): one
            for one in cluster.list(CONTROLLER_REVISION, plan.namespace, {TARGET: plan.target})
            if is_ours(one, plan.target) and key_in(one)
        },
        command=command,
        command_at=command_at,
        config=sight.config,
    )


def _world(sight: Sight, live: Live) -> World:
    cluster, plan, service = sight.cluster, sight.plan, live.canary_service
    faults = [*sight.faults, *live.around.faults, *config_faults(cluster, sight.config, live.stored.values())]
    split = sight.mesh.observe(live.route, live.live_route) if live.route is not None else _NO_ROUTE
    if live.target is not None:
        faults += refusals(cluster, plan, sight.canary, live.target)
        faults += _route_faults(sight, live.route)
        faults += _metrics_faults(sight, live, split)
    return World(
        target=target_now(sight, live.target) if live.target is not None else None,
        primary=primary_now(sight, live.primary) if live.primary is not None else None,
        split=split,
        apex=apex_now(sight, live.around, live.target),
        canary_pin=(service["spec"].get("selector") or {}).get(HASH_LABEL, "") if service is not None else None,
        stored=frozenset(key for key, one in live.stored.items() if is_intact(cluster, sight.config, one)),
        generation=int(sight.canary["metadata"].get("generation", 1)),
        autoscaler=seen(live.scaler, plan.target) if live.scaler is not None else None,
        command=live.command,
        leaving=bool(sight.canary["metadata"].get("deletionTimestamp")),
        namespace_terminating=_terminating(cluster, plan.namespace),
        no_split=_no_split(live),
        faults=tuple(faults),
        jumped_at=sight.jumped_at,
    )


def _ours(manifest: Manifest | None, plan: Plan) -> Manifest | None:
    return manifest if manifest is not None and is_ours(manifest, plan.target) else None


_NO_ROUTE = Seen(weight=None, accepted=False, because="the port of the apex is not known")


def _no_split(live: Live) -> bool:
    """Return whether there is no route and none can be made: its kind is not served, or it is the user's to make."""
    route = live.route
    return route is not None and live.live_route is None and (not route.served or route.user_route is not None)


def subjects(observation: Observation, plan: Plan, status: Status) -> Mapping[Side, Subject]:
    """Return whose requests the checks are about: the pods of the revision under test, and those of the primary."""
    pin = status.revision.pin if status.revision else ""
    shown = {Side.CANARY: status.revision, Side.PRIMARY: status.stable}
    return {
        side: Subject(workload=workload, revision=revision.shown if (revision := shown[side]) else "")
        for side, workload in _workloads(observation, plan, pin).items()
    }


def _workloads(live: Live, plan: Plan, pin: str) -> Mapping[Side, Workload]:
    """Return both workloads, the canary's of the revision with the hash `pin`; none while the port is unknown."""
    route, ports = live.route, live.around.ports
    if route is None or ports is None:
        return {}
    told = {
        Side.CANARY: (plan.target, route.canary, pin),
        Side.PRIMARY: (f"{plan.target}-primary", route.apex, ""),
    }
    return {
        side: Workload(
            namespace=plan.namespace,
            deployment=deployment,
            service=service,
            pods=pods_of(deployment, revision),
            port=route.port,
            protocol=route.protocol,
            port_name=route.port_name,
            pod_port=ports.pod_port,
            route=live.live_route,
        )
        for side, (deployment, service, revision) in told.items()
    }


def _pods(sight: Sight, live: Live) -> list[Manifest]:
    sides = [one for one in (live.target, live.primary) if one is not None]
    return [pod for side in sides for pod in pods_of_sets(sight.cluster, sets_of(sight.cluster, side))]


def _living(target: Manifest | None) -> Manifest | None:
    return None if target is None or target["metadata"].get("deletionTimestamp") else target


def _key(sight: Sight, target: Manifest | None) -> str:
    """Return the key of the present template where it is asked for: when a command stands on the Deployment."""
    if target is None or COMMAND not in annotations_of(target):
        return ""
    return sight.config.of(revision_of(target, sets_of(sight.cluster, target)), sight.status).key


def _route(sight: Sight, around: Around) -> Route | None:
    plan = sight.plan
    if around.ports is None:
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
    return resolved(sight.mesh, replace(route, served=sight.cluster.served(kind)), sight.cluster)


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
    error: RouteError | None = sight.mesh.conflict(route, _others(sight, route))
    if error is None:
        try:
            live = sight.cluster.get(sight.mesh.route_ref(route))
            sight.mesh.render(route, 0, live)
        except RouteError as refused:
            error = refused
    return [] if error is None else [Fault(reason=error.reason, message=str(error))]


def _metrics_faults(sight: Sight, live: Live, split: Seen) -> list[Fault]:
    """Return that built-in checks are asked for and it is not known by which metrics; known once the route is taken."""
    if not split.accepted or not any(check.builtin is not None for check in sight.plan.checks):
        return []
    workload = _workloads(live, sight.plan, "").get(Side.CANARY)
    if workload is None:
        return []
    try:
        sight.mesh.requests(workload)
    except RouteError as error:
        return [Fault(reason=error.reason, message=str(error))]
    return []


def _others(sight: Sight, route: Route) -> Sequence[Manifest]:
    """Return the objects that may stand in a route's way: all that may route its apex, and what bears its name."""
    mesh, cluster = sight.mesh, sight.cluster
    kinds = [kind for kind in mesh.kinds() if cluster.served(kind)]
    claimer = claiming(mesh)
    if claimer is None:
        return [one for kind in kinds for one in cluster.list(kind)]
    claims = (route.apex, ANY)
    found = {ref_of(one): one for kind in kinds for name in claims for one in cluster.find(routed(claimer, kind), name)}
    own = cluster.get(mesh.route_ref(route))
    if own is not None:
        found[ref_of(own)] = own
    return [found[ref] for ref in sorted(found)]


def _terminating(cluster: Cluster, namespace: str) -> bool:
    found = cluster.get(ObjectRef(NAMESPACE, "", namespace))
    return found is not None and bool(found["metadata"].get("deletionTimestamp"))
