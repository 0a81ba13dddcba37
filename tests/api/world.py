"""What the scenarios on one control plane share: an administrator, a view of it all, a node, a Prometheus.

A scenario is played in a namespace of its own; what its pods and its traffic do is said there. Not its job: the
scenarios' notes and waiting, which are the harness's.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from canary.app import KINDS, mesh_named
from canary.clients.kube import KubeCluster, kube_cluster
from canary.clients.kube_http import KubeHttp, connect
from canary.controller import scalers
from canary.ports import CANARY, DEPLOYMENT, EVENT, LEASE, NAMESPACE, Clock, Series
from canary.sandbox.simulated import PodBehaviour, SimulatedRuntime
from meshes import registry
from meshes.contract import Manifest, ObjectRef
from tests.api.control_plane import ControlPlane
from tests.api.installing import ensure_kuma, permit
from tests.api.node import Node
from tests.api.people import People, closed
from tests.api.prometheus import prometheus
from tests.scenarios.metrics import FakeMetrics

ROUTES = frozenset(kind for name in registry.names() for kind in mesh_named(name).kinds())
WATCHED = frozenset({*KINDS, *ROUTES, EVENT, LEASE})
QUICK_POD = PodBehaviour(ready_after=0.2, stop_after=0.2)
_LABEL = "destination_workload_namespace"
_NAMESPACES = re.compile(rf'{_LABEL}=~?"([^"]+)"')


@dataclass(slots=True)
class Pods:
    """A Runtime that asks each namespace's own what its pods do."""

    by_namespace: dict[str, SimulatedRuntime] = field(default_factory=dict)

    def of(self, namespace: str) -> SimulatedRuntime:
        return self.by_namespace.setdefault(namespace, SimulatedRuntime(usual=QUICK_POD))

    async def start(self, pod: Manifest) -> None:
        await self._of(pod).start(pod)

    async def ended(self, pod: Manifest) -> None:
        await self._of(pod).ended(pod)

    async def stop(self, pod: Manifest) -> None:
        await self._of(pod).stop(pod)

    def _of(self, pod: Manifest) -> SimulatedRuntime:
        return self.of(pod["metadata"]["namespace"])


@dataclass(slots=True)
class Traffic:
    """A Metrics port that asks each namespace's own what its requests are."""

    clock: Clock
    by_namespace: dict[str, FakeMetrics] = field(default_factory=dict)

    def of(self, namespace: str) -> FakeMetrics:
        return self.by_namespace.setdefault(namespace, FakeMetrics(self.clock))

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        """Answer what is asked of Istio's metrics, for many namespaces at once; of other meshes there are none."""
        found: list[Series] = []
        for part in promql.split(" or label_replace("):  # windows of several lengths, each of namespaces of its own
            named = _NAMESPACES.search(part)
            for namespace in named[1].split("|") if named is not None else ():
                one = part.replace(named[0], f'{_LABEL}="{namespace}"') if named is not None else part
                found += await self.of(namespace).query(one, at)
        return found


@dataclass(slots=True)
class World:
    """What is shared. `view` is an administrator's: whole objects, watched."""

    plane: ControlPlane
    http: KubeHttp
    people: People
    view: KubeCluster
    node: Node
    pods: Pods
    traffic: Traffic
    prometheus_url: str
    folder: Path

    async def clear(self, namespace: str) -> None:
        """Take away what a controller that comes later would work on. What those own goes by and by."""
        for kind in (CANARY, DEPLOYMENT):
            for each in self.view.list(kind, namespace):
                ref = ObjectRef(kind, namespace, each["metadata"]["name"])
                await self.people.delete(ref)
                await self.people.let_go(ref)


async def namespace_made(http: KubeHttp, people: People, name: str) -> None:
    """Make a namespace in which a controller may hold its Lease."""
    await people.apply({"apiVersion": "v1", "kind": NAMESPACE.kind, "metadata": {"name": name}})
    await permit(http, name)


@asynccontextmanager
async def world(plane: ControlPlane, folder: Path, namespaces: Sequence[str]) -> AsyncIterator[World]:
    """Make the namespaces and look after them; they stay behind empty: removing them would take longer than most tests.

    No names means all namespaces that there are and will be.
    """
    await ensure_kuma(plane)
    http = await connect(plane.kubeconfig)
    try:
        people = People(http)
        await people.know(*WATCHED, *scalers.KINDS)
        for name in namespaces:
            await namespace_made(http, people, name)
        pods, traffic = Pods(), Traffic(http.clock)
        async with (
            prometheus(traffic) as url,
            kube_cluster(http, WATCHED, namespaces, keep=lambda _, whole: whole) as view,
            Node(view, people, pods, http.clock) as node,
        ):
            yield World(plane, http, people, view, node, pods, traffic, url, folder)
    finally:
        await closed(http)
