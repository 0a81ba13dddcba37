"""Takes away what the controller made, in the order of leaving: the route first, our finalizer on the Canary last.

When that may be done is decided elsewhere: here nothing waits. Objects that are not ours are given back as they were.
"""

from __future__ import annotations

from typing import Protocol, assert_never

from canary.controller.copies import forget_copies
from canary.controller.hands import Hands
from canary.controller.names import (
    EPOCH,
    GENERATED,
    HOME,
    PRIMARY_FINALIZER,
    RESTORE_FINALIZER,
    is_ours,
    labels_of,
    owner_labels,
    resource_version,
    uid_of,
)
from canary.controller.observe import Observation
from canary.controller.patches import route_patch, without_epoch
from canary.controller.sets import given_back, without_owner
from canary.errors import Rejected
from canary.ports import Cluster, ref_of
from canary.rollout.model import Decision, Removal
from meshes.contract import Manifest, Mesh, RouteError


class Leaver(Protocol):
    """What a pass has at hand; objects are as the writes before left them, None when they are not there."""

    cluster: Cluster
    mesh: Mesh
    seen: Observation
    decision: Decision
    canary: Manifest
    target: Manifest | None
    primary: Manifest | None
    service: Manifest | None
    route: Manifest | None
    stored: dict[str, Manifest]
    hands: Hands


async def remove(act: Leaver) -> None:
    """Take away what the decision wants away. Raises what the cluster raises; the next pass goes on from there."""
    match act.decision.wanted.removal:
        case Removal.NOTHING:
            return
        case Removal.ROUTE:
            await _route(act)
        case Removal.EVERYTHING:
            await _route(act)
            await _made(act)
            await _elsewhere(act)
            await _let_go(act)
        case Removal.RELEASE:
            await _elsewhere(act)
            if act.primary is not None:
                await act.hands.release(act.primary, PRIMARY_FINALIZER)
            act.canary = await act.hands.release(act.canary, RESTORE_FINALIZER)
        case _:
            assert_never(act.decision.wanted.removal)


async def _route(act: Leaver) -> None:
    """Delete our own route, or give the user's back as it was."""
    route = act.seen.route
    if act.route is None or route is None:
        return
    try:
        restored = act.mesh.restore(route, act.route)
    except RouteError as error:
        raise Rejected(str(error)) from error
    if restored is None:
        await act.hands.delete(act.route)
        act.route = None
    else:
        act.route = await act.hands.patch(act.route, route_patch(act.route, without_epoch(restored)))


async def _made(act: Leaver) -> None:
    if act.service is not None:
        await act.hands.delete(act.service)
        act.service = None
    namespace = act.canary["metadata"]["namespace"]
    for orphan in without_owner(act.cluster, namespace, act.seen.name, act.primary):
        await act.hands.relabel(orphan, given_back(orphan))  # the Deployment, which serves by now, adopts and ends it
    if act.primary is not None:
        await _primary(act, act.primary)
    apex = act.seen.around.apex
    if apex is not None and act.target is None and is_ours(apex, act.seen.name):
        live = act.cluster.get(ref_of(apex))  # widened a moment ago
        if live is not None:
            await act.hands.delete(live)
    await forget_copies(act.hands, namespace, act.seen.config.followed, act.stored.values(), frozenset())
    for stored in act.stored.values():
        await act.hands.delete(stored)


async def _elsewhere(act: Leaver) -> None:
    """Delete what is ours in other namespaces: nothing takes it away when the canary's own namespace goes."""
    home = act.canary["metadata"]["namespace"]
    labels = {**owner_labels(act.seen.name), HOME: home}
    for kind in act.mesh.kinds():
        for one in act.cluster.list(kind, "", labels) if act.cluster.served(kind) else ():
            if one["metadata"].get("namespace", "") != home:
                await act.hands.delete(one)


async def _primary(act: Leaver, primary: Manifest) -> None:
    """Release the finalizer and delete: in this order, so that no crash leaves it half gone and nobody to go on."""
    primary = await act.hands.release(primary, PRIMARY_FINALIZER)
    if not primary["metadata"].get("deletionTimestamp"):
        await act.hands.delete(primary)
    act.primary = None


async def _let_go(act: Leaver) -> None:
    """Take our marks from the user's objects and let the Canary go; a generated one goes with its Deployment."""
    if act.target is not None and EPOCH in labels_of(act.target):
        act.target = await act.hands.patch(act.target, {"metadata": {"labels": {EPOCH: None}}})
    act.canary = await act.hands.release(act.canary, RESTORE_FINALIZER)
    generated = labels_of(act.canary).get(GENERATED) == "true"
    if act.target is None and generated and not act.canary["metadata"].get("deletionTimestamp"):
        await act.cluster.delete(
            ref_of(act.canary), uid=uid_of(act.canary), resource_version=resource_version(act.canary)
        )
