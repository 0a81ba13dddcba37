"""The harness of one scenario on a real control plane: its namespace, who acts in it, and the notes of what happened.

Waiting is for what the API server says, with an outer limit that only a broken test meets.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from canary.clients.kube import KubeCluster
from canary.ports import CANARY, DEPLOYMENT, EVENT, SERVICE, Change, Watched
from canary.rollout.model import Status
from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.simulated import SimulatedRuntime
from canary.spec.status import status_from_json
from meshes.contract import Kind, Manifest, ObjectRef
from tests.api.apex import Apex
from tests.api.carried import Carried
from tests.api.control_plane import ControlPlane
from tests.api.people import People, shown
from tests.api.process import Process
from tests.api.world import World, world
from tests.builders import deployment, service, settings
from tests.scenarios.metrics import FakeMetrics

PATIENCE_S = 120.0
QUICK = settings(enabled="true", interval="5s", steps="50")
SHORT_TIMES = ("--scrape-interval", "1s", "--settle", "1s", "--drain", "1s", "--metrics-port", "0")


@dataclass(slots=True)
class Harness:
    """One namespace of a control plane, and the notes of the Canary `checkout` in it."""

    world: World
    namespace: str
    folder: Path
    apex: Apex
    carried: Carried
    processes: list[Process] = field(default_factory=list)
    logs: list[Process] = field(default_factory=list)
    all_phases: list[str] = field(default_factory=list)
    all_weights: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)
    on_phase: Callable[[str], None] | None = None
    patience_s: float = PATIENCE_S
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    # --- who acts ----------------------------------------------------------------------------------------------------

    @property
    def plane(self) -> ControlPlane:
        return self.world.plane

    @property
    def people(self) -> People:
        return self.world.people

    @property
    def view(self) -> KubeCluster:
        return self.world.view

    @property
    def runtime(self) -> SimulatedRuntime:
        return self.world.pods.of(self.namespace)

    @property
    def metrics(self) -> FakeMetrics:
        return self.world.traffic.of(self.namespace)

    @property
    def prometheus_url(self) -> str:
        return self.world.prometheus_url

    def start(self, kubeconfig: Path | None = None, prometheus_url: str = "") -> Process:
        """Start another `canary run` for this namespace alone, with its Lease in it.

        It asks the stand-in for Prometheus that the scenarios share, unless another is named.
        """
        name = f"controller-{next(self._numbers)}"
        flags = {
            "--kubeconfig": str(kubeconfig or self.plane.folder / "controller.kubeconfig"),
            "--prometheus-url": prometheus_url or self.prometheus_url,
            "--namespace": self.namespace,
            "--lease-namespace": self.namespace,
        }
        words = [*(word for pair in flags.items() for word in pair), *SHORT_TIMES]
        self.processes.append(Process(name, self.folder / f"{name}.log", words))
        return self.processes[-1]

    async def started(self) -> Process:
        """Start a controller and wait until it leads."""
        process = self.start()
        await self.until(lambda: process.leads)
        return process

    async def push(self, tag: str, *, replicas: int | None = None, **annotations: str) -> Manifest:
        """Apply the Deployment with an image of that tag, as a pipeline that leaves `replicas` alone."""
        return await self.people.apply(self.pushed(tag, replicas=replicas, **annotations))

    def pushed(self, tag: str, *, replicas: int | None = None, **annotations: str) -> dict[str, Any]:
        """The manifest of a push."""
        noted = {**QUICK, **settings(**annotations)}
        image = f"registry.example/checkout:{tag}"
        return deployment(image=image, replicas=replicas, annotations=noted, namespace=self.namespace)

    async def there(self, **annotations: str) -> None:
        """Apply Deployment and Service; come to rest with three pods of version 1.0, once a controller is at work."""
        await self.people.apply(service(namespace=self.namespace))
        await self.push("1.0", replicas=3, **annotations)
        await self.until_phase(Phase.INITIALIZED)

    async def onboarded(self, **annotations: str) -> Process:
        """Start a controller, and do as `there`."""
        process = self.start()
        await self.there(**annotations)
        return process

    async def annotate(self, ref: ObjectRef, by: str = "kubectl-edit", **annotations: str | None) -> None:
        """Set annotations of ours, None takes one away."""
        noted = {f"canary.delivery/{key.replace('_', '-')}": value for key, value in annotations.items()}
        await self.people.patch(ref, {"metadata": {"annotations": noted}}, by)

    # --- what is -----------------------------------------------------------------------------------------------------

    def ref(self, kind: Kind, name: str = "checkout") -> ObjectRef:
        return ObjectRef(kind, self.namespace, name)

    def live(self, kind: Kind, name: str = "checkout") -> Manifest | None:
        return self.view.get(self.ref(kind, name))

    @property
    def status(self) -> Status:
        live = self.live(CANARY)
        return status_from_json(live.get("status")) if live is not None else Status()

    @property
    def weight(self) -> int | None:
        route = self.live(VIRTUAL_SERVICE)
        return weight_at_canary(route) if route is not None else None

    @property
    def phases(self) -> list[str]:
        return [phase for phase, _ in groupby(self.all_phases)]

    @property
    def weights(self) -> list[int]:
        return [weight for weight, _ in groupby(self.all_weights)]

    def serving(self, name: str = "checkout-primary") -> tuple[str, int]:
        """The tag of a Deployment's template, and how many pods of that template are ready."""
        live = self.live(DEPLOYMENT, name)
        if live is None:
            return "", 0
        status = live.get("status", {})
        behind = status.get("observedGeneration", 0) < live["metadata"]["generation"]
        ready = 0 if behind else min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0))
        return live["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2], ready

    def size(self, name: str = "checkout") -> int:
        live = self.live(DEPLOYMENT, name)
        return -1 if live is None else int(live["spec"]["replicas"])

    def generation(self) -> int:
        """How often the Deployment's spec was changed, as far as the API server told."""
        live = self.live(DEPLOYMENT)
        return 0 if live is None else int(live["metadata"]["generation"])

    def note(self, event: Watched) -> None:
        """Take the phases, weights and reasons down, in the order in which the API server tells them."""
        self.apex.note(event)
        self.carried.note(event)
        if event.change is Change.DELETED:
            return
        if event.ref == self.ref(CANARY) and event.manifest.get("status"):
            self.all_phases.append(str(event.manifest["status"].get("phase")))
            if self.on_phase is not None:
                self.on_phase(self.all_phases[-1])
        elif event.ref == self.ref(VIRTUAL_SERVICE):
            self.all_weights.append(weight_at_canary(event.manifest))
        elif event.ref.kind == EVENT and event.manifest["involvedObject"] == {
            **event.manifest["involvedObject"],
            "kind": CANARY.kind,
            "namespace": self.namespace,
        }:
            self.reasons.append(event.manifest["reason"])

    # --- waiting -----------------------------------------------------------------------------------------------------

    async def until(self, predicate: Callable[[], object]) -> None:
        """Wait until the predicate holds; fail with the objects and the logs when it does not."""
        try:
            async with asyncio.timeout(self.patience_s):
                while not predicate():  # noqa: ASYNC110 - some of it stands in logs
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"it did not hold within {self.patience_s:g} s\n{self.report()}") from None

    async def until_phase(self, phase: Phase) -> None:
        await self.until(lambda: self.status.phase is phase)

    async def until_weight(self, weight: int) -> None:
        """Wait until the route has a weight at the canary, and the status says so."""
        await self.until(lambda: self.weight == weight and self.status.observed_weight == weight)

    def assert_no_request_was_lost(self) -> None:
        """Fail when there was a moment at which the apex, or a weight at the canary, had no pods that could answer."""
        report = self.report() if self.apex.outages or self.carried.late else ""
        self.apex.assert_served(report)
        self.carried.assert_answered(report)

    @property
    def noted(self) -> dict[str, object]:
        """What the report is to say: a scenario's own `notes`, weights that too few pods carried for over a second, and
        the apex's outages in seconds that were overlooked by intention."""
        late, lasted = self.carried.late, self.apex.lasted
        return {**self.notes, "late": "; ".join(map(str, late)), "outages": ", ".join(f"{each:.2f}" for each in lasted)}

    @contextmanager
    def blind(self) -> Iterator[None]:
        """Overlook what requests are lost in the block: somebody takes away what serves."""
        with self.apex.blind(), self.carried.blind():
            yield

    def report(self) -> str:
        """What a person would look at."""
        kinds = (CANARY, DEPLOYMENT, VIRTUAL_SERVICE, SERVICE)
        objects = [shown(bare(each)) for kind in kinds for each in self.view.list(kind, self.namespace)]
        logs = [
            f"--- {each.name}, exit code {each.exit_code}\n{each.said[-6000:]}"
            for each in (*self.processes, *self.logs)
        ]
        return "\n".join([f"phases {self.phases}, weights {self.weights}, {self.reasons}", *objects, *logs])


def weight_at_canary(route: Manifest, host: str = "checkout-canary") -> int:
    """Return the weight at the canary Service, 0 when the route does not name it."""
    entries = [entry for rule in route["spec"].get("http", ()) for entry in rule.get("route", ())]
    return sum(int(each.get("weight", 0)) for each in entries if each["destination"]["host"].split(".")[0] == host)


def bare(manifest: Manifest) -> Manifest:
    """Return an object without managedFields."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    return {**manifest, "metadata": metadata}


def fresh_name() -> str:
    """Return the name of a namespace that there is none of."""
    return f"t-{secrets.token_hex(4)}"


@contextmanager
def playing(of: World, namespace: str, folder: Path) -> Iterator[Harness]:
    """Take notes in a namespace of the world; end its controllers with the block."""
    it = Harness(of, namespace, folder, Apex(of.view, namespace), Carried(of.view, namespace, lambda: it.weight))
    of.view.subscribe(it.note)
    try:
        yield it
    finally:
        for process in it.processes:
            process.close()


@asynccontextmanager
async def harness(plane: ControlPlane, folder: Path) -> AsyncIterator[Harness]:
    """Make a world of one namespace, for a scenario that is played alone. Clients must have been served always."""
    namespace = fresh_name()
    async with world(plane, folder, [namespace]) as of:
        with playing(of, namespace, folder) as it:
            yield it
            it.assert_no_request_was_lost()
        await of.clear(namespace)


async def hold_as_before(it: Harness) -> None:
    """Wait until version 1.0 serves at full size, nothing else runs, and no traffic goes there.

    Each is told by a watch of its own, which comes when it comes.
    """

    def as_before() -> bool:
        spec = (it.live(DEPLOYMENT) or {}).get("spec", {})
        runs = (spec.get("replicas"), spec.get("paused", False))
        return (it.serving(), it.weight, runs) == (("1.0", 3), 0, (0, False))

    await it.until(as_before)
