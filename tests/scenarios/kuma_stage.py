"""A cluster with Kuma in virtual time, and the whole controller on it: for canaries of several namespaces at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog

from canary.app import Outside, control
from canary.ports import CANARY, NAMESPACE, Change, Series, Watched
from canary.rollout.model import Status
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import MESH, MESH_HTTP_ROUTE, custom
from canary.settings import Settings
from canary.spec.status import status_from_json
from canary.telemetry.telemetry import Telemetry
from meshes.contract import Manifest
from meshes.kuma.names import Form
from tests.builders import PORT, canary, deployment, ref, service
from tests.embedded import eventually, ready_images
from tests.meshes.kuma_surroundings import KUMA_2_14, KUMA_3_0, mesh
from tests.scenarios.stage import analysis
from tests.told import Told

SPACES = ("shop", "eu")
_SPACES, _PODS = re.compile(r'namespace=~?"([^"]+)"'), re.compile(r'pod=~"([^"]+)"')
_PART = re.compile(r'"canary_part","(\d+)"')
_SOME = re.compile(r"\[[^]]*\]\{(\d+)[^}]*\}")
"""A class of characters and how many of them there are at least."""


@dataclass(slots=True)
class Requests:
    """A Metrics port: 50 requests a second to every Deployment; half of those to `failing` (namespace, name) fail."""

    failing: set[tuple[str, str]] = field(default_factory=set)

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        await asyncio.sleep(0)
        return [found for part in promql.split(" or label_replace(") for found in self._sums(part)]

    def _sums(self, promql: str) -> Sequence[Series]:
        """Answer one sum, which may be one of several in a query."""
        place = {"canary_part": part[1]} if (part := _PART.search(promql)) else {}
        spaces, pods, window = _SPACES.search(promql), _PODS.search(promql), re.search(r"\[(\d+)s\]", promql)
        assert spaces, promql
        assert pods, promql
        assert window, promql
        total = 50.0 * int(window[1])
        answers: list[Series] = []
        for space, name in ((space, name) for space in spaces[1].split("|") for name in pods[1].split("|")):
            pod = _SOME.sub(lambda match: "b" * int(match[1]), name).replace("-?", "-")
            labels = ({"namespace": space, "pod": pod} if "sum by" in promql else {}) | place
            side = "checkout-primary" if pod.startswith("checkout-primary-") else "checkout"
            if 'class="5"' not in promql:
                answers.append(Series(labels, total))
            elif (space, side) in self.failing:
                answers.append(Series(labels, total / 2))
        return answers


@dataclass(slots=True)
class KumaStage:
    """The cluster, and what became of it. `weights` has the canary's share of each route object, by namespace/name."""

    cluster: InMemoryCluster
    requests: Requests
    logs: list[MutableMapping[str, Any]]
    written: dict[str, list[int]] = field(default_factory=dict)

    def note(self, event: Watched) -> None:
        if event.ref.kind == MESH_HTTP_ROUTE and event.change is not Change.DELETED:
            backends = event.manifest["spec"]["to"][0]["rules"][-1]["default"].get("backendRefs", ())
            share = [one["weight"] for one in backends[1:]]
            self.written.setdefault(f"{event.ref.namespace}/{event.ref.name}", []).extend(share)

    @property
    def weights(self) -> Mapping[str, list[int]]:
        return {name: [weight for weight, _ in groupby(all_of)] for name, all_of in self.written.items()}

    @property
    def routes(self) -> list[str]:
        found = (one["metadata"] for one in self.cluster.store.list(MESH_HTTP_ROUTE))
        return sorted(f"{meta['namespace']}/{meta['name']}" for meta in found)

    def route(self, name: str) -> Manifest:
        home, _, own = name.partition("/")
        return self.cluster.now(ref(MESH_HTTP_ROUTE, own, home))

    def status(self, space: str) -> Status:
        live = self.cluster.store.get(ref(CANARY, namespace=space))
        return status_from_json(live.get("status")) if live is not None else Status()

    def push(self, space: str, tag: str) -> None:
        image = f"registry.example/checkout:{tag}"
        self.cluster.apply(deployment(image=image, replicas=None, namespace=space))

    def serving(self, space: str) -> list[str]:
        return [one.rpartition(":")[2] for one in ready_images(self.cluster, "checkout-primary", space)]

    def mode(self, mode: str) -> None:
        """Change the mode of the Mesh, as when MeshServices are switched on."""
        self.cluster.edit(ref(MESH, "default", ""), {"spec": {"meshServices": {"mode": mode}}})

    def is_gone(self, space: str) -> bool:
        return self.cluster.store.get(ref(CANARY, namespace=space)) is None

    async def until(self, predicate: Callable[[], object], within: float = 600) -> None:
        try:
            await eventually(self.cluster, lambda: bool(predicate()), within)
        except AssertionError:
            said = {space: (self.status(space).phase, self.status(space).message) for space in SPACES}
            raise AssertionError(f"not within {within:g} s: {said}, {self.weights}, {self.crashes()}") from None

    async def until_all(self, phase: Phase) -> None:
        await self.until(lambda: all(self.status(space).phase is phase for space in SPACES))

    def crashes(self) -> list[str]:
        return [str(entry) for entry in self.logs if entry["event"] == "pass_failed" and entry.get("exc_info")]

    async def onboarded(self, *spaces: str, **spec: Any) -> None:
        """Bring the same application to rest in each of these namespaces; `spec` is put over the Canary's."""
        for space in spaces:
            port = {"name": "http", "port": PORT, "targetPort": "http", "appProtocol": "http"}
            self.cluster.apply(service(namespace=space, ports=[port]))
            self.cluster.apply(deployment(namespace=space))
        await self.until(lambda: all(len(ready_images(self.cluster, namespace=space)) == 3 for space in spaces))
        for space in spaces:
            self.cluster.apply(canary(namespace=space, **{"analysis": analysis(), **spec}))
        await self.until(lambda: all(self.status(space).phase is Phase.INITIALIZED for space in spaces))
        self.written.clear()


def install(cluster: InMemoryCluster, form: Form) -> None:
    """Install the release of Kuma that has this form, and put the namespaces into its mesh."""
    schema = KUMA_3_0 if form is Form.LABELS else KUMA_2_14
    cluster.register(MESH_HTTP_ROUTE, custom("v1alpha1", schema=schema))
    cluster.namespace("kuma-system")
    labelled = {"kuma-system": {"kuma.io/system-namespace": "true"}}
    for space in SPACES:
        cluster.namespace(space)
        labelled[space] = {"kuma.io/sidecar-injection": "enabled"}
    for space, labels in labelled.items():
        cluster.edit(ref(NAMESPACE, space, ""), {"metadata": {"labels": labels}})
    cluster.apply(mesh("Everywhere" if form is Form.MESHSERVICE else ""))


@asynccontextmanager
async def kuma_stage(cluster: InMemoryCluster, form: Form) -> AsyncIterator[KumaStage]:
    """A cluster with that Kuma and a controller at work; no pass of it may raise a fault of ours."""
    install(cluster, form)
    with structlog.testing.capture_logs() as logs:
        stage = KumaStage(cluster, Requests(), logs)
        cluster.store.listen(stage.note)
        client = cluster.client("canary-controller")
        outside = Outside(cluster=client, metrics=stage.requests, notifier=Told(), clock=cluster.clock)
        settings = Settings(mesh="kuma", scrape_interval=timedelta(seconds=5))
        working = asyncio.create_task(control(outside, settings, epoch="e1", telemetry=Telemetry()))
        try:
            yield stage
        finally:
            client.close()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        assert stage.crashes() == []
