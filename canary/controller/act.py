"""Makes true what was decided, in the one order that is safe wherever a crash cuts it: what takes traffic from the
canary first, what gives traffic to it last.

Every write carries the resourceVersion that was read before the status was written; nothing is written where wanted
equals actual. A conflict is not dealt with here: the pass starts again from fresh reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canary.controller import objects
from canary.controller.merge import exact, overlay
from canary.controller.names import (
    EPOCH,
    PRIMARY_FINALIZER,
    RESTORE_FINALIZER,
    is_ours,
    labels_of,
    primary_labels,
    resource_version,
    uid_of,
)
from canary.controller.observe import Observation
from canary.controller.revisions import stored_revision, template_in
from canary.errors import AlreadyExists, Rejected
from canary.ports import Cluster, Propagation, ref_of
from canary.rollout.model import ApexWanted, Decision, PrimaryWanted, Removal
from meshes.contract import Manifest, Mesh, RouteError


@dataclass(slots=True, kw_only=True)
class Act:
    """The writes of one pass. `seen` is the observation; each object is kept up to date as it is written."""

    cluster: Cluster
    mesh: Mesh
    seen: Observation
    decision: Decision
    target: Manifest | None = None
    primary: Manifest | None = None
    service: Manifest | None = None
    route: Manifest | None = None
    canary: Manifest | None = None

    def __post_init__(self) -> None:
        seen = self.seen
        self.target, self.primary, self.service = seen.target, seen.primary, seen.canary_service
        self.route = seen.live_route
        self.canary = self.canary or seen.canary

    async def run(self) -> None:
        """Carry the decision out. Raises what the cluster raises; nothing that comes later was written then."""
        wanted = self.decision.wanted
        if wanted.removal is Removal.RELEASE:
            await self._let_go()
            return
        if not self.seen.world.leaving and (wanted.primary is not None or self.decision.weight is not None):
            await self._take_in_hand()
        await self._stamp()
        await self._store()
        await self._split(raising=False)
        await self._pin()
        if wanted.primary is not None:
            await self._primary(wanted.primary)
        await self._select()
        await self._size_target()
        await self._split(raising=True)
        await self._remove()
        if wanted.release_primary and self.primary is not None:
            self.primary = await self._without_finalizer(self.primary, PRIMARY_FINALIZER)
        await self._forget_revisions()

    async def _patch(self, live: Manifest, patch: dict[str, Any]) -> Manifest:
        if not patch:
            return live
        return await self.cluster.patch(ref_of(live), patch, resource_version=resource_version(live))

    async def _take_in_hand(self) -> None:
        """See that deleting the Canary goes through us, before anything is made that would be left behind."""
        assert self.canary is not None
        finalizers = self.canary["metadata"].get("finalizers") or []
        if RESTORE_FINALIZER not in finalizers:
            patch = {"metadata": {"finalizers": [*finalizers, RESTORE_FINALIZER]}}
            self.canary = await self._patch(self.canary, patch)

    async def _stamp(self) -> None:
        """Mark what a late write of an earlier leader could hurt, so that the write meets a newer version."""
        status = self.decision.status
        if status.phase is None or status.phase.at_rest or not status.memory.epoch:
            return
        label = {"metadata": {"labels": {EPOCH: status.memory.epoch}}}
        if self.route is not None and labels_of(self.route).get(EPOCH) != status.memory.epoch:
            self.route = await self._patch(self.route, label)
        if self.service is not None and labels_of(self.service).get(EPOCH) != status.memory.epoch:
            self.service = await self._patch(self.service, label)
        if self.target is not None and labels_of(self.target).get(EPOCH) != status.memory.epoch:
            self.target = await self._patch(self.target, label)

    async def _store(self) -> None:
        revision = self.decision.wanted.store
        if revision is None or self.target is None or revision.key in self.seen.stored:
            return
        numbers = [int(one.get("revision", 0)) for one in self.seen.stored.values()]
        made = stored_revision(self.target, revision, max(numbers, default=0) + 1)
        try:
            await self.cluster.create(made)
        except AlreadyExists as error:
            raise Rejected(f"{ref_of(made)} is there already and not of this canary; delete it") from error

    async def _split(self, *, raising: bool) -> None:
        """Write the route: lower weights in the first call, higher ones and a new route in the second."""
        weight, route = self.decision.weight, self.seen.route
        if weight is None or route is None or not route.served:
            return
        now = self.seen.world.split.weight if self.route is not None else None
        rises = now is None or weight > now
        if rises is not raising:
            return
        try:
            rendered = self.mesh.render(route, weight, self.route)
        except RouteError as error:
            raise Rejected(str(error)) from error
        if self.route is None:
            self.route = await self.cluster.create(rendered)
            return
        self.route = await self._patch(self.route, _whole(self.route, rendered))

    async def _pin(self) -> None:
        pin, around = self.decision.wanted.canary_pin, self.seen.around
        if pin is None or around.shape is None or self.target is None:
            return
        wanted = objects.canary_service(around.shape, self.target, pin)
        if self.service is None:
            self.service = await self.cluster.create(wanted)
            return
        spec = exact({"selector": self.service["spec"].get("selector") or {}}, {"selector": wanted["spec"]["selector"]})
        ports = self.service["spec"].get("ports") or []
        if [_port(one) for one in ports] != [_port(one) for one in wanted["spec"]["ports"]]:
            spec["ports"] = wanted["spec"]["ports"]
        self.service = await self._patch(self.service, {"spec": spec} if spec else {})

    async def _primary(self, wanted: PrimaryWanted) -> None:
        stored = self.seen.stored.get(wanted.key)
        shape = self.target or self.primary
        if stored is None or shape is None:
            return
        if self.target is None:
            await self._primary_size(wanted)
            return
        made = objects.primary(self.target, template_in(stored), key=wanted.key, restarted_at=wanted.restarted_at)
        if self.primary is None:
            replicas = self.target["spec"].get("replicas", 1) if wanted.replicas is None else wanted.replicas
            self.primary = await self.cluster.create({**made, "spec": {**made["spec"], "replicas": replicas}})
            return
        if self.primary["metadata"].get("deletionTimestamp"):
            return
        self.primary = await self._patch(self.primary, self._primary_patch(self.primary, made, wanted))

    def _primary_patch(self, live: Manifest, made: dict[str, Any], wanted: PrimaryWanted) -> dict[str, Any]:
        template = exact(live["spec"]["template"], made["spec"]["template"])
        spec = overlay(
            {key: value for key, value in live["spec"].items() if key != "template"},
            {key: value for key, value in made["spec"].items() if key not in ("template", "selector")},
        )
        if template:
            spec["template"] = template
        if wanted.replicas is not None and live["spec"].get("replicas") != wanted.replicas:
            spec["replicas"] = wanted.replicas
        metadata = overlay(live["metadata"], {"labels": made["metadata"]["labels"]})
        finalizers = live["metadata"].get("finalizers") or []
        if PRIMARY_FINALIZER not in finalizers:
            metadata["finalizers"] = [*finalizers, PRIMARY_FINALIZER]
        return {**({"metadata": metadata} if metadata else {}), **({"spec": spec} if spec else {})}

    async def _primary_size(self, wanted: PrimaryWanted) -> None:
        if self.primary is not None and wanted.replicas is not None:
            size = {"spec": {"replicas": wanted.replicas}}
            self.primary = await self._patch(self.primary, overlay(self.primary, size))

    async def _select(self) -> None:
        """Narrow or widen every Service of the target's pods."""
        around, wanted = self.seen.around, self.decision.wanted.apex
        if wanted is ApexWanted.LEAVE:
            return
        if around.apex is None and wanted is ApexWanted.NARROW and around.shape is not None:
            await self.cluster.create(around.shape)
        ours = primary_labels(self._name)
        for service in (*([around.apex] if around.apex is not None else []), *around.others):
            selector = service["spec"].get("selector") or {}
            if wanted is ApexWanted.NARROW:
                change = overlay(selector, ours)
            else:
                change = {key: None for key in ours if key in selector}
            await self._patch(service, {"spec": {"selector": change}} if change else {})

    async def _size_target(self) -> None:
        wanted = self.decision.wanted.target
        if wanted is None or self.target is None:
            return
        spec: dict[str, Any] = {}
        if wanted.replicas is not None and self.target["spec"].get("replicas", 1) != wanted.replicas:
            spec["replicas"] = wanted.replicas
        if wanted.held is not None and bool(self.target["spec"].get("paused")) != wanted.held:
            spec["paused"] = wanted.held
        self.target = await self._patch(self.target, {"spec": spec} if spec else {})

    async def _remove(self) -> None:
        removal, route = self.decision.wanted.removal, self.seen.route
        if removal is Removal.NOTHING:
            return
        if self.route is not None and route is not None:
            try:
                restored = self.mesh.restore(route, self.route)
            except RouteError as error:
                raise Rejected(str(error)) from error
            if restored is None:
                await self._delete(self.route)
            else:
                self.route = await self._patch(self.route, _whole(self.route, restored))
        if removal is Removal.EVERYTHING:
            await self._remove_the_rest()

    async def _remove_the_rest(self) -> None:
        if self.service is not None:
            await self._delete(self.service)
        if self.primary is not None:
            if not self.primary["metadata"].get("deletionTimestamp"):
                await self._delete(self.primary)
            left = self.cluster.get(ref_of(self.primary))
            if left is not None and uid_of(left) == uid_of(self.primary):
                await self._without_finalizer(left, PRIMARY_FINALIZER)
        for stored in self.seen.stored.values():
            await self._delete(stored)
        if self.target is not None and EPOCH in labels_of(self.target):
            self.target = await self._patch(self.target, {"metadata": {"labels": {EPOCH: None}}})
        assert self.canary is not None
        await self._without_finalizer(self.canary, RESTORE_FINALIZER)

    async def _let_go(self) -> None:
        if self.primary is not None:
            await self._without_finalizer(self.primary, PRIMARY_FINALIZER)
        assert self.canary is not None
        await self._without_finalizer(self.canary, RESTORE_FINALIZER)

    async def _without_finalizer(self, live: Manifest, finalizer: str) -> Manifest:
        finalizers = live["metadata"].get("finalizers") or []
        if finalizer not in finalizers:
            return live
        left = [one for one in finalizers if one != finalizer]
        return await self._patch(live, {"metadata": {"finalizers": left}})

    async def _forget_revisions(self) -> None:
        keep = self.decision.wanted.keep
        if keep is None:
            return
        for key, stored in self.seen.stored.items():
            if key not in keep:
                await self._delete(stored)

    async def _delete(self, manifest: Manifest) -> None:
        if not is_ours(manifest, self._name):
            return
        await self.cluster.delete(
            ref_of(manifest),
            uid=uid_of(manifest),
            resource_version=resource_version(manifest),
            propagation=Propagation.BACKGROUND,
        )

    @property
    def _name(self) -> str:
        assert self.canary is not None
        return str(self.canary["spec"]["targetRef"]["name"])


def _whole(live: Manifest, rendered: Manifest) -> dict[str, Any]:
    """Return the patch to what an adapter rendered: labels, annotations and spec, what others own included."""
    wanted = {key: rendered["metadata"].get(key) or {} for key in ("labels", "annotations")}
    metadata = exact({key: live["metadata"].get(key) or {} for key in wanted}, wanted)
    spec = exact(live.get("spec") or {}, rendered.get("spec") or {})
    return {**({"metadata": metadata} if metadata else {}), **({"spec": spec} if spec else {})}


def _port(port: dict[str, Any]) -> dict[str, Any]:
    """Return a Service port without what the API server chose."""
    return {key: value for key, value in port.items() if key != "nodePort"}
