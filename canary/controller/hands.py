"""Writes one object: with the version at which it was read, and never one that is not ours. What to write is others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.controller.names import is_ours, resource_version, uid_of
from canary.ports import Cluster, Propagation, ref_of
from meshes.contract import Manifest


class Hands:
    """Writes for one target. Each call raises what the cluster raises, `Conflict` for an object that changed since."""

    def __init__(self, cluster: Cluster, target: str) -> None:
        self.cluster = cluster
        self.target = target

    async def patch(self, live: Manifest, patch: Mapping[str, Any]) -> Manifest:
        """Apply a merge patch and return the object as it is then; an empty patch costs nothing."""
        if not patch:
            return live
        return await self.cluster.patch(ref_of(live), patch, resource_version=resource_version(live))

    async def create(self, manifest: Manifest) -> Manifest | None:
        """Create an object; None when its name is taken by one that is not ours, which observation tells."""
        taken = self.cluster.get(ref_of(manifest))
        if taken is not None and not is_ours(taken, self.target):
            return None
        return await self.cluster.create(manifest)

    async def delete(self, manifest: Manifest) -> None:
        """Delete an object of ours; any other stays."""
        if not is_ours(manifest, self.target):
            return
        await self.cluster.delete(
            ref_of(manifest),
            uid=uid_of(manifest),
            resource_version=resource_version(manifest),
            propagation=Propagation.BACKGROUND,
        )

    async def release(self, live: Manifest, finalizer: str) -> Manifest:
        """Take a finalizer of ours away, so that a deletion goes on."""
        finalizers = live["metadata"].get("finalizers") or []
        if finalizer not in finalizers:
            return live
        left = [one for one in finalizers if one != finalizer]
        return await self.patch(live, {"metadata": {"finalizers": left}})
