"""A Cluster port and, beside it, somebody else who writes: over a real API server, and over the in-memory one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from canary.clients.kube import kube_cluster
from canary.clients.kube_http import connect
from canary.ports import CANARY, CONFIG_MAP, NAMESPACE, Change, Cluster, Propagation, Watched
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import VIRTUAL_SERVICE, custom
from canary.spec.crd import crd
from meshes.contract import Manifest, ObjectRef
from tests.api.control_plane import ControlPlane
from tests.api.people import People, closed

KINDS = frozenset({CONFIG_MAP, CANARY, VIRTUAL_SERVICE})
PATIENCE_S = 30.0


class Somebody(Protocol):
    """Another client, whose writes have no preconditions."""

    async def apply(self, manifest: Manifest) -> Manifest: ...

    async def patch(self, ref: ObjectRef, patch: Manifest) -> Manifest: ...

    async def delete(self, ref: ObjectRef, propagation: Propagation = Propagation.BACKGROUND) -> None: ...


@dataclass(slots=True)
class Contract:
    """What a test of the port works with: a namespace of its own, and what `heard` was told of its ConfigMaps."""

    cluster: Cluster
    somebody: Somebody
    namespace: str
    heard: list[tuple[Change, str, dict[str, str]]] = field(default_factory=list)

    def map(self, name: str = "one", **data: str) -> dict[str, Any]:
        meta = {"name": name, "namespace": self.namespace, "labels": {"name": name, "all": "yes"}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}

    def ref(self, name: str = "one", kind: Any = CONFIG_MAP) -> ObjectRef:
        return ObjectRef(kind, self.namespace, name)

    def listen(self, event: Watched) -> None:
        if event.ref.kind == CONFIG_MAP and event.ref.namespace == self.namespace and event.ref.name != ROOT_CA:
            self.heard.append((event.change, event.ref.name, dict(event.manifest.get("data") or {})))

    async def until(self, predicate: Callable[[], object]) -> None:
        """Wait until the predicate holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not predicate():  # noqa: ASYNC110 - a cache has no event for what is gone
                await asyncio.sleep(0.02)


ROOT_CA = "kube-root-ca.crt"
"""A ConfigMap that Kubernetes puts into each namespace."""


class Users:
    """The users of an in-memory cluster."""

    def __init__(self, cluster: InMemoryCluster) -> None:
        self._cluster = cluster

    async def apply(self, manifest: Manifest) -> Manifest:
        return self._cluster.apply(manifest)

    async def patch(self, ref: ObjectRef, patch: Manifest) -> Manifest:
        return self._cluster.edit(ref, patch)

    async def delete(self, ref: ObjectRef, propagation: Propagation = Propagation.BACKGROUND) -> None:
        self._cluster.remove(ref, propagation)


@asynccontextmanager
async def in_memory() -> AsyncIterator[Contract]:
    cluster = InMemoryCluster()
    schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    cluster.register(CANARY, custom("v1alpha1", status=True, schema=schema))
    yield Contract(cluster, Users(cluster), "shop")
    cluster.close()


@asynccontextmanager
async def real(plane: ControlPlane, url: str = "") -> AsyncIterator[Contract]:
    """The port over the API server, its requests sent to `url` if that is given."""
    admin = await connect(plane.kubeconfig)
    http = await connect(plane.kubeconfig_at(url) if url else plane.kubeconfig)
    try:
        people = People(admin)
        await people.know(NAMESPACE, *KINDS)
        namespace = f"t-{secrets.token_hex(4)}"
        await people.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        async with kube_cluster(http, KINDS, [namespace], keep=lambda _, whole: whole) as cluster:
            yield Contract(cluster, people, namespace)
    finally:
        await closed(http)
        await closed(admin)
