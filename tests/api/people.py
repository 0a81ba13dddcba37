"""What people and pipelines do to a cluster, with an administrator's rights: apply, patch, delete, look."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import yaml

from canary.clients.discovery import Discovery
from canary.clients.kube_http import MERGE_PATCH, Call, KubeHttp
from canary.errors import NotFound
from canary.ports import Propagation, ref_of
from canary.sandbox.cluster import LAST_APPLIED
from canary.sandbox.merge import apply_patch
from meshes.contract import Kind, Manifest, ObjectRef

KNOWN_WITHIN_S = 60.0
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class People:
    """kubectl, as far as tests need it."""

    def __init__(self, http: KubeHttp) -> None:
        self._http = http
        self._discovery = Discovery(http)

    async def know(self, *kinds: Kind) -> None:
        """Find out where these kinds are served. A CRD's group is rebuilt while others join it: then look again."""
        async with asyncio.timeout(KNOWN_WITHIN_S):
            await self._discovery.refresh(set(kinds))
            while not all(self._discovery.served(kind) for kind in kinds):
                await asyncio.sleep(0.5)
                await self._discovery.refresh(set(kinds))

    def path(self, ref: ObjectRef, subresource: str = "") -> str:
        return self._discovery.resource(ref.kind).path(ref.namespace, ref.name, subresource=subresource)

    async def apply(self, manifest: Manifest, by: str = "kubectl") -> Manifest:
        """Create the object, or merge the manifest into it as `kubectl apply` does; what it leaves out stays."""
        ref, query = ref_of(manifest), (("fieldManager", by),)
        content_type = MERGE_PATCH if "." in ref.kind.group else STRATEGIC_MERGE_PATCH
        call = Call(
            method="PATCH",
            path=self.path(ref),
            what=str(ref),
            query=query,
            body=manifest,
            content_type=content_type,
        )
        try:
            return await self._send(call)
        except NotFound:
            collection = self.path(ObjectRef(ref.kind, ref.namespace, ""))
            return await self._send(Call(method="POST", path=collection, what=str(ref), query=query, body=manifest))

    async def apply_from_git(self, manifest: Manifest, by: str) -> Manifest:
        """Create or change the object as client-side apply does, which is Argo CD's way: what others set stays, and
        what was in the manifest last applied and is not in this one is taken away."""
        ref = ref_of(manifest)
        noted = {**(manifest["metadata"].get("annotations") or {}), LAST_APPLIED: json.dumps(manifest, sort_keys=True)}
        wanted = {**manifest, "metadata": {**manifest["metadata"], "annotations": noted}}
        try:
            live = await self._send(Call(method="GET", path=self.path(ref), what=str(ref)))
        except NotFound:
            return await self.apply(wanted, by)
        last = json.loads((live["metadata"].get("annotations") or {}).get(LAST_APPLIED, "{}"))
        return await self.apply(apply_patch(last, wanted), by)

    def in_newest_version(self, manifest: Manifest) -> Manifest:
        """Return the manifest with the newest apiVersion of its kind that the cluster serves."""
        return {**manifest, "apiVersion": self._discovery.resource(ref_of(manifest).kind).api_version}

    async def apply_by_force(self, manifest: Manifest, by: str) -> Manifest:
        """Apply the manifest server-side and take what others have, as `kubectl apply --server-side --force-conflicts`.

        1.20 refuses a port without a protocol.
        """
        ref = ref_of(manifest)
        return await self._send(
            Call(
                method="PATCH",
                path=self.path(ref),
                what=str(ref),
                query=(("fieldManager", by), ("force", "true")),
                body=manifest,
                content_type=APPLY_PATCH,
            )
        )

    async def patch(self, ref: ObjectRef, patch: Manifest, manager: str = "kubectl-edit") -> Manifest:
        """Change the object by a merge patch, as `kubectl patch --type merge` does."""
        query = (("fieldManager", manager),)
        return await self._send(
            Call(
                method="PATCH",
                path=self.path(ref),
                what=str(ref),
                query=query,
                body=patch,
                content_type=MERGE_PATCH,
            )
        )

    async def listed(self, kind: Kind, namespace: str = "") -> list[Manifest]:
        """Return the objects of a kind, of one namespace or all (""), as `kubectl get` does."""
        path = self.path(ObjectRef(kind, namespace, ""))
        answer = await self._send(Call(method="GET", path=path, what=str(kind)))
        return list(answer["items"])

    async def delete(self, ref: ObjectRef, propagation: Propagation = Propagation.BACKGROUND) -> None:
        """Delete the object; one that is gone already is fine."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation.value}
        await self._drop(ref, body)

    async def let_go(self, ref: ObjectRef) -> None:
        """Take all finalizers away; an object that is gone already is fine."""
        with suppress(NotFound):
            await self.patch(ref, {"metadata": {"finalizers": None}})

    async def end(self, ref: ObjectRef) -> None:
        """Take a pod away that has ended, as a kubelet does: no grace any more."""
        await self._drop(ref, {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0})

    async def bind(self, ref: ObjectRef, node: str) -> None:
        """Bind a pod to a node, as the scheduler does."""
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": ref.name},
            "target": {"kind": "Node", "name": node},
        }
        await self._send(Call(method="POST", path=self.path(ref, "binding"), what=str(ref), body=body))

    async def _drop(self, ref: ObjectRef, body: dict[str, Any]) -> None:
        try:
            await self._send(Call(method="DELETE", path=self.path(ref), what=str(ref), body=body))
        except NotFound:
            return

    async def _send(self, call: Call) -> Manifest:
        manifest: Manifest = await self._http.send(call)
        return manifest


def shown(manifest: Manifest | None) -> str:
    """Return an object as `kubectl get -o yaml` prints it, for failures."""
    return str(yaml.safe_dump(manifest, sort_keys=False, width=160))


async def closed(http: KubeHttp) -> None:
    """Close the client and let the loop end its TLS connections, as aiohttp's "graceful shutdown" asks."""
    await http.close()
    await asyncio.sleep(0.25)
