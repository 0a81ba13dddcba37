"""Makes true what was decided, in the one order that is safe wherever a crash cuts it: what takes traffic from the
canary first, what gives traffic to it last.

Every write carries the resourceVersion that was read before the status was written, or that the write before it in
this pass returned; nothing is written where wanted equals actual. A conflict is not dealt with here: the pass starts
again from fresh reads. What is taken away for good is the business of `removal`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from canary.controller import objects
from canary.controller.copies import copies_in, copies_used, forget_copies, make_copies, recorded
from canary.controller.drift import Drift
from canary.controller.hands import Hands
from canary.controller.names import EPOCH, PRIMARY_FINALIZER, RESTORE_FINALIZER, labels_of
from canary.controller.observe import Observation
from canary.controller.patches import (
    primary_patch,
    primary_size,
    route_patch,
    selector_patch,
    service_patch,
    target_patch,
    without_epoch,
)
from canary.controller.removal import remove
from canary.controller.revisions import stored_revision, template_in
from canary.controller.scalers import change
from canary.controller.services import services_narrowed
from canary.controller.sets import within_reach
from canary.errors import Rejected
from canary.ports import Cluster, Propagation, ref_of
from canary.rollout.model import ApexWanted, Decision, PrimaryWanted, Removal, ScalerWanted
from meshes.contract import Manifest, Mesh, RouteError


async def _at_once() -> bool:
    """Give way to nobody."""
    return False


@dataclass(slots=True, kw_only=True)
class Act:
    """The writes of one pass. `seen` is the observation; each object is kept up to date as it is written.

    `canary` is the Canary as the write of the status left it; `drift` knows who edits its objects. `give_way` is
    awaited once traffic was taken away: what tidies up keeps nobody waiting whose traffic is still there.
    """

    cluster: Cluster
    mesh: Mesh
    seen: Observation
    decision: Decision
    canary: Manifest
    drift: Drift | None = None
    give_way: Callable[[], Awaitable[bool]] = _at_once
    target: Manifest | None = field(init=False)
    primary: Manifest | None = field(init=False)
    service: Manifest | None = field(init=False)
    route: Manifest | None = field(init=False)
    stored: dict[str, Manifest] = field(init=False)
    hands: Hands = field(init=False)

    def __post_init__(self) -> None:
        seen = self.seen
        self.target, self.primary, self.service = seen.target, seen.primary, seen.canary_service
        self.route, self.stored = seen.live_route, dict(seen.stored)
        self.hands = Hands(self.cluster, seen.name, self.drift)

    async def run(self) -> None:
        """Carry the decision out. Raises what the cluster raises; nothing that comes later was written then.

        A route that does not allow the split keeps no other effect from being made; it is raised at the end.
        """
        wanted = self.decision.wanted
        if wanted.removal is Removal.RELEASE:
            await remove(self)
            return
        if not self.seen.world.leaving and (wanted.primary is not None or self.decision.weight is not None):
            await self._take_in_hand()
        await self._stamp()
        await self._store()
        before = self.route
        refused = await self._split(raising=False)
        if self.route is not before and self.seen.world.apex.narrow:
            await self.give_way()
        await self._pin()
        if wanted.primary is not None:
            await self._primary(wanted.primary)
        try:
            await self._select()
        except Rejected:
            if wanted.apex is ApexWanted.NARROW:  # the candidate must not stay behind a Service that stays wide
                await self._candidate()
            raise
        await self._autoscale()
        await self._candidate()
        refused = await self._split(raising=True) or refused
        await self._let_primary_go()
        await remove(self)
        await self._forget_revisions()
        await self._keep_from_others()
        if refused is not None:
            raise Rejected(str(refused)) from refused

    async def _take_in_hand(self) -> None:
        """See that deleting the Canary goes through us, before anything is made that would be left behind."""
        finalizers = self.canary["metadata"].get("finalizers") or []
        if RESTORE_FINALIZER not in finalizers:
            patch = {"metadata": {"finalizers": [*finalizers, RESTORE_FINALIZER]}}
            self.canary = await self.hands.patch(self.canary, patch)

    @property
    def _epoch(self) -> str:
        """The mark that objects are to bear, "" at rest."""
        status = self.decision.status
        return "" if status.phase is None or status.phase.at_rest else status.memory.epoch

    async def _stamp(self) -> None:
        """Mark what a late write of an earlier leader could hurt, so that the write meets a newer version."""
        if self.decision.weight is not None:
            self.route = await self._stamped(self.route)
        self.service = await self._stamped(self.service)
        self.target = await self._stamped(self.target)
        self.primary = await self._stamped(self.primary)

    async def _stamped(self, live: Manifest | None) -> Manifest | None:
        if live is None or not self._epoch or labels_of(live).get(EPOCH) == self._epoch:
            return live
        return await self.hands.patch(live, {"metadata": {"labels": {EPOCH: self._epoch}}})

    def _marked(self, made: Manifest) -> Manifest:
        """Return an object that is about to be made, with the mark that it would be given next."""
        labels = {**labels_of(made), EPOCH: self._epoch} if self._epoch else labels_of(made)
        return {**made, "metadata": {**made["metadata"], "labels": labels}}

    async def _store(self) -> None:
        revision = self.decision.wanted.store
        namespace, config = self.canary["metadata"]["namespace"], self.seen.config
        wanted = {key: one for key, one in self.stored.items() if key in (self.decision.wanted.keep or ())}
        missing = frozenset(ref for one in wanted.values() for ref in copies_in(one))
        await make_copies(self.hands, namespace, config.held, missing)
        if revision is None or self.target is None or revision.key in self.stored or revision.config != config.digest:
            return
        notes = recorded(namespace, self.seen.name, config.held)
        numbers = [int(one.get("revision", 0)) for one in self.stored.values()]
        made = stored_revision(self.target, revision, max(numbers, default=0) + 1, notes)
        await make_copies(self.hands, namespace, config.held, frozenset(copies_in(made)))
        created = await self.hands.create(made)
        if created is None:
            raise Rejected(f"{ref_of(made)} is there already and not of this canary; rename or delete it")
        self.stored[revision.key] = created

    async def _split(self, *, raising: bool) -> RouteError | None:
        """Write the route: what is no rise in the first call; a rise, and a route that is not there, in the second."""
        weight, route = self.decision.weight, self.seen.route
        if weight is None or route is None or not route.served:
            return None
        now = self.seen.world.split.weight
        falls = self.route is not None and (weight == 0 or (now is not None and weight <= now))
        if falls is raising:
            return None
        try:
            rendered = self.mesh.render(route, weight, self.route)
        except RouteError as refused:
            return refused
        wish = {"weight": weight, "route": route, "marked": bool(self._epoch)}
        if self.route is None:
            self.route = await self.hands.make(self._marked(rendered), wish)
            return None
        if route.user_route is not None and not self._epoch:
            rendered = without_epoch(rendered)  # at rest the user's own route is as in their Git
        self.route = await self.hands.keep(self.route, route_patch(self.route, rendered), wish)
        return None

    async def _pin(self) -> None:
        pin, shape = self.decision.wanted.canary_pin, self.seen.around.shape
        if pin is None or shape is None or self.target is None:
            return
        wanted = objects.canary_service(shape, self.target, pin)
        if self.service is None:
            self.service = await self.hands.make(self._marked(wanted), wanted)
        else:
            self.service = await self.hands.keep(self.service, service_patch(self.service, wanted), wanted)

    async def _primary(self, wanted: PrimaryWanted) -> None:
        stored = self.stored.get(wanted.key)
        if self.target is None or stored is None:
            await self._primary_size(wanted)
            return
        made = objects.primary(self.target, template_in(stored), key=wanted.key, restarted_at=wanted.restarted_at)
        if self.primary is None:
            replicas = self.target["spec"].get("replicas", 1) if wanted.replicas is None else wanted.replicas
            self.primary = await self.hands.create(
                self._marked({**made, "spec": {**made["spec"], "replicas": replicas}})
            )
        elif not self.primary["metadata"].get("deletionTimestamp"):
            wish = {"made": made, "replicas": wanted.replicas}
            self.primary = await self.hands.keep(self.primary, primary_patch(self.primary, made, wanted), wish)

    async def _let_primary_go(self) -> None:
        """Free the ReplicaSets of a deleted `-primary` or take our finalizer away: one a pass, the freeing takes time.

        A second deletion overrides how the first one deletes: as an orphan, the garbage collector ends who owns whom.
        """
        wanted, live = self.decision.wanted, self.primary
        if live is None:
            return
        if wanted.free_primary:
            for one, labels in within_reach(self.cluster, live, self.seen.name):
                await self.hands.relabel(one, labels)
            await self.hands.delete(live, Propagation.ORPHAN)
        elif wanted.release_primary:
            self.primary = await self.hands.release(live, PRIMARY_FINALIZER)

    async def _primary_size(self, wanted: PrimaryWanted) -> None:
        """Keep what serves at its size while there is nothing to make its other fields from."""
        live = self.primary
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        if (size := primary_size(live, wanted)) is not None:
            self.primary = await self.hands.patch(live, {"spec": {"replicas": size}})

    async def _select(self) -> None:
        """Narrow or widen every Service of the target's pods; the apex is made for a user who has none.

        A further one that selects pods of others as well stays as it is: for those it is the way in. One that selects
        labels which the pods no longer have is found by ours, to be given back.
        """
        around, wanted = self.seen.around, self.decision.wanted.apex
        if wanted is ApexWanted.LEAVE:
            return
        if around.apex is None and wanted is ApexWanted.NARROW and around.shape is not None:
            await self.hands.create(around.shape)
        narrow = wanted is ApexWanted.NARROW
        found = [around.apex] if around.apex is not None else []
        found += [one for one in around.others if not (narrow and one["metadata"]["name"] in around.shared)]
        if not narrow:
            known = {one["metadata"]["name"] for one in found}
            left = services_narrowed(self.cluster, self.canary["metadata"]["namespace"], self.seen.name)
            found += [one for one in left if one["metadata"]["name"] not in known]
        for service in found:
            patch = selector_patch(service, self.seen.name, narrow=narrow)
            await self.hands.share(service, patch, wanted)

    async def _candidate(self) -> None:
        wanted, phase = self.decision.wanted.target, self.decision.status.phase
        if wanted is not None and self.target is not None:
            wish = (phase, wanted.replicas, wanted.held)
            self.target = await self.hands.share(self.target, target_patch(self.target, wanted), wish)

    async def _autoscale(self) -> None:
        """Point the user's autoscaler where it belongs, and hold or give back its least size."""
        scaler, wanted = self.seen.scaler, self.decision.wanted
        if scaler is None or (wanted.scaler is ScalerWanted.LEAVE and wanted.floor is None):
            return
        patch = change(scaler, self.seen.name, wanted.scaler, wanted.floor)
        await self.hands.share(scaler.manifest, patch, (wanted.scaler, wanted.floor))

    async def _keep_from_others(self) -> None:
        """Take the user's labels from ReplicaSets of `-primary`, last of all: it guards, and hinders nothing."""
        if self.primary is None or self.decision.wanted.primary is None:
            return
        if self.primary["metadata"].get("deletionTimestamp"):
            return
        for live, labels in within_reach(self.cluster, self.primary, self.seen.name):
            await self.hands.relabel(live, labels)

    async def _forget_revisions(self) -> None:
        keep = self.decision.wanted.keep
        if keep is None or self.decision.wanted.removal is not Removal.NOTHING:
            return
        gone = [stored for key, stored in self.stored.items() if key not in keep]
        if not gone:
            return
        used = copies_used([stored for key, stored in self.stored.items() if key in keep], self.primary)
        await forget_copies(self.hands, self.canary["metadata"]["namespace"], self.seen.config.followed, gone, used)
        for stored in gone:
            await self.hands.delete(stored)
