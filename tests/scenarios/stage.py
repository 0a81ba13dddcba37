"""The stage of a scenario: a cluster in virtual time, the whole controller on it, and the notes of what happened.

Not its job: what is right. Tests compare the notes, and `Invariants` watches each change.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from canary.app import Outside, control
from canary.ports import CANARY, CONFIG_MAP, DEPLOYMENT, EVENT, SECRET, Change, Notifier, Watched
from canary.rollout.model import Condition, Status
from canary.rollout.phases import Phase
from canary.sandbox.client import Client
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.simulated import SimulatedRuntime
from canary.settings import Settings
from canary.spec.status import status_from_json
from canary.telemetry.telemetry import Telemetry
from meshes.contract import Manifest
from tests.builders import canary, deployment, ref, service
from tests.embedded import eventually, ready_images
from tests.scenarios.invariants import Invariants, weight_of
from tests.scenarios.metrics import FakeMetrics
from tests.told import Told

SETTINGS = Settings(mesh="istio", scrape_interval=timedelta(seconds=5))
"""Settle 10 s and drain 15 s, as by default."""

DEPLOYED = deployment(replicas=None)
STEPS = (20, 50)
TURNS = 10
"""Of the event loop, which what is under way needs to come to its end when nothing keeps it waiting."""
ROLLOUT_S = 600.0
"""Longer in virtual time than any rollout of these steps lasts."""


def image(tag: str, name: str = "checkout") -> str:
    return f"registry.example/{name}:{tag}"


def analysis(*steps: Mapping[str, Any] | int, **more: Any) -> dict[str, Any]:
    """The `analysis` of a Canary: intervals of 20 s, steps by weight, the success rate, and `more` over it."""
    return {
        "interval": "20s",
        "steps": [{"weight": each} if isinstance(each, int) else dict(each) for each in steps or STEPS],
        "checks": [{"name": "success-rate", "builtin": "success-rate", "min": 99}],
        **more,
    }


@dataclass(slots=True)
class Controller:
    """One process of the controller: its own client, hence caches, and its task."""

    client: Client
    task: asyncio.Task[None]
    telemetry: Telemetry

    def kill(self) -> None:
        """End it as SIGKILL does: nothing that it would still do happens."""
        self.client.close()
        self.task.cancel()


class Stage:
    """A cluster, its controller and the notes of one canary. Phases, weights and reasons have no repeats in a row."""

    def __init__(
        self, cluster: InMemoryCluster, runtime: SimulatedRuntime, logs: list[MutableMapping[str, Any]]
    ) -> None:
        self.cluster, self.runtime, self.logs = cluster, runtime, logs
        self.metrics = FakeMetrics(cluster.clock)
        self.told = Told()
        self.notifier: Callable[[], Notifier] = lambda: self.told
        self.watch = Invariants(cluster)
        self.settings = SETTINGS
        self.controllers: list[Controller] = []
        self.all_phases: list[str] = []
        self.all_weights: list[int] = []
        self.reasons: list[str] = []
        self._epochs = itertools.count(1)
        cluster.store.listen(self._note)

    def _note(self, event: Watched) -> None:
        if event.change is Change.DELETED:
            return
        if event.ref == ref(CANARY) and event.manifest.get("status"):
            self.all_phases.append(str(event.manifest["status"].get("phase")))
        elif event.ref == ref(VIRTUAL_SERVICE):
            weight = weight_of(event.manifest, "checkout-canary")
            if weight is not None:
                self.all_weights.append(weight)
        elif event.ref.kind == EVENT and event.manifest["involvedObject"]["kind"] == "Canary":
            self.reasons.append(event.manifest["reason"])

    # --- the controller ----------------------------------------------------------------------------------------------

    def start(self, *, prepare: Callable[[Client], None] | None = None) -> Controller:
        """Start another controller with an epoch of its own; `prepare` is given its client first."""
        client = self.cluster.client("canary-controller")
        client.demand.kinds = frozenset({CONFIG_MAP, SECRET})
        if prepare is not None:
            prepare(client)
        outside = Outside(cluster=client, metrics=self.metrics, notifier=self.notifier(), clock=self.cluster.clock)
        epoch = f"e{next(self._epochs)}"
        telemetry = Telemetry()
        work = control(outside, self.settings, epoch=epoch, telemetry=telemetry)
        task = asyncio.create_task(work, name=f"controller {epoch}")
        self.controllers.append(Controller(client, task, telemetry))
        return self.controllers[-1]

    @property
    def client(self) -> Client:
        """The client of the newest controller."""
        return self.controllers[-1].client

    async def close(self) -> None:
        """End all controllers; raises what went wrong in one."""
        for each in self.controllers:
            each.kill()
        for ended in await asyncio.gather(*(each.task for each in self.controllers), return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    def crashes(self) -> list[str]:
        """What no pass may raise, as far as it was logged."""
        return [str(entry) for entry in self.logs if entry["event"] == "pass_failed" and entry.get("exc_info")]

    # --- people ------------------------------------------------------------------------------------------------------

    def push(self, tag: str, **spec: Any) -> None:
        """Apply the Deployment with another image, as a pipeline that leaves `replicas` alone."""
        self.cluster.apply(deployment(image=image(tag), replicas=None, **spec))

    def command(self, word: str, kind: Any = CANARY) -> None:
        """Set the command annotation, as `canary promote` and the like do."""
        self.cluster.edit(ref(kind), {"metadata": {"annotations": {"canary.delivery/command": word}}}, "alice")

    def edit_spec(self, **spec: Any) -> None:
        """Change the Canary's spec by a merge patch."""
        self.cluster.edit(ref(CANARY), {"spec": spec})

    def canary_traffic(self, **changes: float) -> None:
        self.metrics.set("checkout", **changes)

    def primary_traffic(self, **changes: float) -> None:
        self.metrics.set("checkout-primary", **changes)

    # --- what is ------------------------------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        live = self.cluster.store.get(ref(CANARY))
        return status_from_json(live.get("status")) if live is not None else Status()

    @property
    def ready_condition(self) -> Condition:
        return next(one for one in self.status.conditions if one.type == "Ready")

    @property
    def weight(self) -> int | None:
        route = self.cluster.store.get(ref(VIRTUAL_SERVICE))
        return weight_of(route, "checkout-canary") if route is not None else None

    @property
    def target(self) -> Manifest:
        return self.cluster.now(ref(DEPLOYMENT))

    @property
    def primary(self) -> Manifest:
        return self.cluster.now(ref(DEPLOYMENT, "checkout-primary"))

    @property
    def serving(self) -> list[str]:
        """The tags of the primary's ready pods."""
        return [each.rpartition(":")[2] for each in ready_images(self.cluster, "checkout-primary")]

    @property
    def candidate(self) -> tuple[int, bool]:
        """The user's Deployment: its replicas, and whether it is held."""
        spec = self.target["spec"]
        return spec["replicas"], spec.get("paused", False)

    @property
    def phases(self) -> list[str]:
        return [phase for phase, _ in groupby(self.all_phases)]

    @property
    def weights(self) -> list[int]:
        return [weight for weight, _ in groupby(self.all_weights)]

    @property
    def history(self) -> list[tuple[str, str]]:
        """Tag and outcome of each finished rollout, oldest first."""
        return [(past.image.rpartition(":")[2], past.outcome.value) for past in reversed(self.status.history)]

    def forget(self) -> None:
        """Note from here on: the phase and weight that are stay as the first."""
        self.all_phases[:] = self.all_phases[-1:]
        self.all_weights[:] = self.all_weights[-1:]
        self.reasons.clear()
        self.told.notes.clear()

    # --- waiting -----------------------------------------------------------------------------------------------------

    async def until(self, predicate: Callable[[], object], within: float = ROLLOUT_S) -> None:
        """Wait for a predicate to hold, and for what is told of it: that comes beside the passes, in no time."""
        try:
            await eventually(self.cluster, lambda: bool(predicate()), within)
        except AssertionError:
            raise AssertionError(
                f"not within {within:g} s: phases {self.phases}, weights {self.weights}, {self.status.message!r}"
                f", candidate {self.candidate}, reasons {self.reasons}, {self.watch.found} {self.crashes()}"
            ) from None
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def until_phase(self, phase: Phase, within: float = ROLLOUT_S) -> None:
        await self.until(lambda: self.status.phase is phase, within)

    async def until_serving(self, tag: str) -> None:
        """Wait until the primary's three pods are of a version, and the rollout is over."""
        await self.until(lambda: self.serving == [tag] * 3 and self.status.phase is Phase.SUCCEEDED)

    async def until_weight(self, weight: int, within: float = ROLLOUT_S) -> None:
        await self.until(lambda: self.weight == weight and self.status.weight == weight, within)

    async def rest(self, seconds: float = 60) -> None:
        """Let virtual time go by."""
        await asyncio.sleep(seconds)

    async def there(self, *more: Manifest) -> None:
        """Apply Deployment, Service and `more` (a later one of the same name wins); wait for three ready pods.

        The Deployment's manifest names no replicas: they are set by hand, so that a later apply leaves them alone.
        """
        wanted = {(each["kind"], each["metadata"]["name"]): each for each in (DEPLOYED, service(), *more)}
        for manifest in wanted.values():
            self.cluster.apply(manifest)
        if "replicas" not in wanted["Deployment", "checkout"]["spec"]:
            self.cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 3}})
        await self.until(lambda: len(ready_images(self.cluster)) == 3)

    async def onboarded(self, *more: Manifest, **spec: Any) -> None:
        """Set up `there`, apply a Canary with `spec`, start a controller, and come to rest."""
        await self.there(*more)
        spec = {"analysis": analysis(), **spec}
        self.cluster.apply(canary(**spec))
        if not self.controllers:
            self.start()
        await self.until_phase(Phase.INITIALIZED)
        self.forget()

    async def pushed(self, tag: str, weight: int = 20) -> None:
        """Push and wait for a weight."""
        self.push(tag)
        await self.until_weight(weight)
