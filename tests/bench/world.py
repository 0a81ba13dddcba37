"""What the controller of the bench meets: a cluster, a Prometheus that takes its time, and a clock on what follows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from canary.ports import CANARY, DEPLOYMENT, POD, Clock, Series, Watched
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import VIRTUAL_SERVICE
from meshes.contract import ObjectRef
from tests.api.harness import weight_at_canary
from tests.builders import NAMESPACE, deployment, ref, service, settings
from tests.scenarios.metrics import FakeMetrics

ANSWERS_AFTER_S = 0.02
PUSHED, FAILED, CRASHED, ABORTED = "push", "failed verdict", "crash-loop", "abort"
EFFECTS = {PUSHED: "candidate scaled up", FAILED: "weight 0", CRASHED: "weight 0", ABORTED: "weight 0"}
PLAINLY = 0.1
"""The share of bad requests over which the fast rule ends a rollout that may have 1 % (docs/how-it-works.md)."""


async def within_a_second(names: Iterable[str]) -> AsyncIterator[str]:
    """Yield the names spread over one second: what happens in the same second does not happen in the same moment."""
    known, began = list(names), time.monotonic()
    for number, name in enumerate(known):
        await asyncio.sleep(max(0.0, began + number / len(known) - time.monotonic()))
        yield name


@dataclass(slots=True)
class Stopwatch:
    """When something happened to a canary, and when its effect was seen at the API server. Only the first counts."""

    begun: dict[tuple[str, str], float] = field(default_factory=dict)
    ended: dict[tuple[str, str], float] = field(default_factory=dict)

    def begin(self, event: str, name: str) -> None:
        self.begun.setdefault((event, name), time.monotonic())

    def end(self, event: str, name: str) -> None:
        if (event, name) in self.begun:
            self.ended.setdefault((event, name), time.monotonic())

    def forget_canary(self, name: str) -> None:
        self.begun = {key: at for key, at in self.begun.items() if key[1] != name}
        self.ended = {key: at for key, at in self.ended.items() if key[1] != name}

    def forget(self, event: str) -> None:
        self.begun = {key: at for key, at in self.begun.items() if key[0] != event}
        self.ended = {key: at for key, at in self.ended.items() if key[0] != event}

    def seconds(self, event: str) -> Sequence[float]:
        """From event to effect, rising; an effect that did not come counts as infinite."""
        begun = {name: at for (what, name), at in self.begun.items() if what == event}
        return sorted(self.ended.get((event, name), float("inf")) - at for name, at in begun.items())


class Metrics(FakeMetrics):
    """Healthy Prometheus: it takes 20 ms. The first answer that is plainly bad begins the failed verdict."""

    def __init__(self, clock: Clock, watch: Stopwatch) -> None:
        super().__init__(clock)
        self.watch = watch
        self.most = 0

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        await asyncio.sleep(ANSWERS_AFTER_S)
        self.most = max(self.most, len(promql))
        return await super().query(promql, at)

    def _counted(self, deployment: str, start: datetime, end: datetime) -> tuple[float, float, float]:
        total, bad, slow = super()._counted(deployment, start, end)
        if bad >= 10 and bad > PLAINLY * total:
            self.watch.begin(FAILED, deployment)
        return total, bad, slow


class World:
    """The cluster with `size` canaries in one namespace, and what became of each."""

    def __init__(self, cluster: InMemoryCluster, size: int) -> None:
        self.names = [f"app-{number}" for number in range(size)]
        self.watch = Stopwatch()
        self.metrics = Metrics(cluster.clock, self.watch)
        self.phases: dict[str, str] = {}
        self.weights: dict[str, int | None] = {}
        self._cluster = cluster
        cluster.store.listen(self._changed)

    def _changed(self, event: Watched) -> None:
        name, manifest = event.ref.name, event.manifest
        if event.ref.kind == CANARY:
            self.phases[name] = str(manifest.get("status", {}).get("phase"))
        elif event.ref.kind == DEPLOYMENT and manifest["spec"].get("replicas"):
            self.watch.end(PUSHED, name)
        elif event.ref.kind == VIRTUAL_SERVICE:
            self.weights[name] = weight_at_canary(manifest, f"{name}-canary")
            if self.weights[name] == 0:
                for what in (FAILED, CRASHED, ABORTED):
                    self.watch.end(what, name)

    def forget(self, name: str) -> None:
        """Forget a canary that left, with all that was its."""
        self.watch.forget_canary(name)
        self.metrics.forget(name)
        self.phases.pop(name, None)
        self.weights.pop(name, None)

    async def apply(self, analysis: dict[str, str]) -> None:
        """Apply Deployment and Service of every canary."""
        noted = settings(enabled="true", replicas="1", **analysis)
        for name in self.names:
            self._cluster.apply(deployment(name, image="registry.example/app:1.0", replicas=None, annotations=noted))
            self._cluster.edit(ref(DEPLOYMENT, name), {"spec": {"replicas": 1}})
            self._cluster.apply(service(name))
            await asyncio.sleep(0)

    async def push(self, names: Iterable[str], analysis: dict[str, str], tag: str = "2.0") -> None:
        noted = settings(enabled="true", replicas="1", **analysis)
        async for name in within_a_second(names):
            self.watch.begin(PUSHED, name)
            image = f"registry.example/app:{tag}"
            self._cluster.apply(deployment(name, image=image, replicas=None, annotations=noted))

    async def fail(self, names: Iterable[str]) -> None:
        """From now on every request to the candidates fails."""
        for name in names:
            self.metrics.set(name, bad=1.0)

    async def abort(self, names: Iterable[str]) -> None:
        async for name in within_a_second(names):
            self.watch.begin(ABORTED, name)
            self._cluster.edit(ref(CANARY, name), {"metadata": {"annotations": settings(command="abort")}})

    async def crash(self, names: Iterable[str]) -> None:
        """The candidates' pods are seen in a crash loop."""
        waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
        broken = [{"name": "app", "restartCount": 3, "ready": False, "state": waiting}]
        async for name in within_a_second(names):
            for pod in self._cluster.store.list(POD, NAMESPACE, {"app": name}):
                if "canary.delivery/role" in pod["metadata"]["labels"]:
                    continue
                self.watch.begin(CRASHED, name)
                where = ObjectRef(POD, NAMESPACE, pod["metadata"]["name"])
                self._cluster.edit(where, {"status": {"containerStatuses": broken}}, subresource="status")

    async def until_phase(self, phase: str, names: Sequence[str], within_s: float) -> None:
        await self._until(lambda name: self.phases.get(name) == phase, names, phase, within_s)

    async def until_weight(self, weight: int, names: Sequence[str], within_s: float) -> None:
        await self._until(lambda name: self.weights.get(name) == weight, names, f"{weight} %", within_s)

    async def until_effect(self, event: str, names: Sequence[str], within_s: float) -> None:
        await self._until(lambda name: (event, name) in self.watch.ended, names, f"effect of {event}", within_s)

    async def _until(self, holds: Callable[[str], object], names: Sequence[str], what: str, within_s: float) -> None:
        until = time.monotonic() + within_s
        while late := [name for name in names if not holds(name)]:
            if time.monotonic() > until:
                phase, weight = self.phases.get(late[0]), self.weights.get(late[0])
                who = f"{len(late)} of {len(names)}"
                raise SystemExit(f"{who} without {what} after {within_s:g} s: {late[0]} is {phase}, {weight} %")
            await asyncio.sleep(0.1)
