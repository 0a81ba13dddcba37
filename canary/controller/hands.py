"""Writes one object: with the version at which it was read, and never one that is not ours. What to write is others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.controller.drift import Drift
from canary.controller.names import is_ours, resource_version, uid_of
from canary.errors import Rejected
from canary.ports import Cluster, Propagation, ref_of
from canary.rollout.model import Notice
from meshes.contract import Manifest, ObjectRef


class Hands:
    """Writes for one target. Each call raises what the cluster raises, `Conflict` for an object that changed since.

    `drift` knows who edits the objects, None where nothing is kept; `repaired` collects what is to be told of edits;
    `wrote` is true once anything was sent.
    """

    def __init__(self, cluster: Cluster, target: str, drift: Drift | None) -> None:
        self.cluster = cluster
        self.target = target
        self.repaired: list[Notice] = []
        self.wrote = False
        self._drift = drift

    async def patch(self, live: Manifest, patch: Mapping[str, Any]) -> Manifest:
        """Apply a merge patch and return the object as it is then; an empty patch costs nothing."""
        if not patch:
            return live
        self.wrote = True
        return await self.cluster.patch(ref_of(live), patch, resource_version=resource_version(live))

    async def relabel(self, live: Manifest, labels: Mapping[str, str | None]) -> Manifest:
        """Change labels of the very object, whatever its version: others write it too often for that to be known.

        Who refuses it, for the lack of a right or by a webhook, is asked once an hour.
        """
        if not labels or (self._drift is not None and self._drift.was_refused(live)):
            return live
        patch = {"metadata": {"uid": uid_of(live), "labels": labels}}
        self.wrote = True
        try:
            return await self.cluster.patch(ref_of(live), patch, resource_version="")
        except Rejected:
            if self._drift is not None:
                self._drift.refused(live)
            raise

    async def keep(self, live: Manifest, patch: Mapping[str, Any], wish: object) -> Manifest:
        """Apply a merge patch that makes an object of ours answer a wish, unless somebody keeps editing it away."""
        ref = ref_of(live)
        if patch and not self._may_repair(ref, live, wish):
            return live
        kept = await self.patch(live, patch)
        self._answered(ref, wish)
        return kept

    async def share(self, live: Manifest, patch: Mapping[str, Any], wish: object) -> Manifest:
        """Apply a merge patch to an object that people write too, unless it was put back very often of late."""
        if patch and self._drift is not None and not self._drift.may_put_back(ref_of(live), wish):
            return live
        return await self.patch(live, patch)

    async def make(self, manifest: Manifest, wish: object) -> Manifest | None:
        """Create an object of ours that answers a wish, unless somebody keeps deleting it; else as `create`."""
        ref = ref_of(manifest)
        if not self._may_repair(ref, None, wish):
            return None
        made = await self.create(manifest)
        if made is not None:
            self._answered(ref, wish)
        return made

    def _answered(self, ref: ObjectRef, wish: object) -> None:
        if self._drift is not None:
            self._drift.answered(ref, wish)

    def _may_repair(self, ref: ObjectRef, live: Manifest | None, wish: object) -> bool:
        """Return whether the object may be written: for a new wish, and for an edit that is no endless fight."""
        if self._drift is None or not self._drift.is_edited(ref, wish):
            return True
        notices = self._drift.edited(ref, live)
        self.repaired += notices or ()
        return notices is not None

    async def create(self, manifest: Manifest) -> Manifest | None:
        """Create an object; None when its name is taken by one that is not ours, which observation tells."""
        taken = self.cluster.get(ref_of(manifest))
        if taken is not None and not is_ours(taken, self.target):
            return None
        self.wrote = True
        return await self.cluster.create(manifest)

    async def delete(self, manifest: Manifest, propagation: Propagation = Propagation.BACKGROUND) -> None:
        """Delete an object of ours; any other stays. One that is being deleted is so as told here from then on."""
        if not is_ours(manifest, self.target):
            return
        self.wrote = True
        await self.cluster.delete(
            ref_of(manifest),
            uid=uid_of(manifest),
            resource_version=resource_version(manifest),
            propagation=propagation,
        )

    async def release(self, live: Manifest, finalizer: str) -> Manifest:
        """Take a finalizer of ours away, so that a deletion goes on."""
        finalizers = live["metadata"].get("finalizers") or []
        if finalizer not in finalizers:
            return live
        left = [one for one in finalizers if one != finalizer]
        return await self.patch(live, {"metadata": {"finalizers": left}})
