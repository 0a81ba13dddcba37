"""Passes over one canary in an embedded cluster, for tests: observe, decide, status, act; no queue, no Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from canary.controller.act import Act
from canary.controller.config import Configs
from canary.controller.memo import Memo
from canary.controller.merge import exact
from canary.controller.names import resource_version
from canary.controller.observe import Observation, observe
from canary.controller.pods import PullErrors
from canary.controller.sides import Sight
from canary.errors import Conflict
from canary.ports import CANARY, DEPLOYMENT, ref_of
from canary.rollout.decide import decide
from canary.rollout.model import Answer, Counts, Decision, Plan, Question, Status, Timing
from canary.rollout.phases import Phase
from canary.rollout.questions import questions
from canary.sandbox.cluster import InMemoryCluster
from canary.spec.plan import plan_from
from canary.spec.status import status_from_json, status_to_json
from meshes.contract import Manifest, Mesh
from meshes.istio import Istio
from tests.builders import canary, deployment, ref, service
from tests.embedded import eventually, ready_images

STEP = 0.5
"""Seconds of virtual time between two passes."""


OLD = "registry.example/checkout:1.0"
NEW = "registry.example/checkout:2.0"


async def onboarded(cluster: InMemoryCluster, *more: Manifest) -> Driver:
    """Apply what `applied` does and bring it to rest."""
    driver = await applied(cluster, *more)
    await driver.until_phase(Phase.INITIALIZED)
    return driver


async def applied(cluster: InMemoryCluster, *more: Manifest) -> Driver:
    """Apply Deployment, Service, Canary and `more` (a later one of the same name wins); the user's pods are ready."""
    driver = Driver(cluster)
    wanted = {ref_of(each): each for each in (deployment(), service(), canary(), *more)}
    for manifest in wanted.values():
        cluster.apply(manifest)
    await eventually(cluster, lambda: len(ready_images(cluster)) == 3)
    return driver


def push(cluster: InMemoryCluster, image: str, **spec: Any) -> None:
    """Apply the Deployment with another image, as a pipeline does that leaves `replicas` alone."""
    cluster.apply(deployment(image=image, replicas=None, **spec))


def healthy(_: Question) -> Answer:
    return Counts(total=1000, bad=0, quantile=0.05)


@dataclass(slots=True)
class Driver:
    """Makes passes over the Canary `checkout`. `said` has each new sentence of its decisions, in order."""

    cluster: InMemoryCluster
    mesh: Mesh = field(default_factory=Istio)
    answers: Callable[[Question], Answer] = healthy
    timing: Timing = field(default_factory=Timing)
    said: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    pull_errors: PullErrors = field(default_factory=PullErrors)
    _statuses: Memo[Status] = field(default_factory=lambda: Memo(status_from_json))
    _plan: tuple[Any, Timing, str, Plan] | None = None

    @property
    def canary(self) -> Manifest:
        return self.cluster.now(ref(CANARY))

    @property
    def status(self) -> Status:
        stored = self.canary.get("status")
        return self._statuses(stored) if stored else Status()

    @property
    def plan(self) -> Plan:
        """What the Canary's spec asks for, read again when it is another: four times a pass would be a third of it."""
        live, mesh = self.canary, self.mesh.name
        spec = live["spec"]
        if self._plan is None or self._plan[0] is not spec or self._plan[1:3] != (self.timing, mesh):
            self._plan = (spec, self.timing, mesh, plan_from(live, timing=self.timing, default_mesh=mesh))
        return self._plan[3]

    def observe(self, status: Status | None = None) -> Observation:
        live = self.cluster.get(ref(CANARY))
        assert live is not None
        target = self.cluster.get(ref(DEPLOYMENT))
        sight = Sight(
            cluster=self.cluster,
            mesh=self.mesh,
            plan=self.plan,
            status=status or self.status,
            canary=live,
            now=self.cluster.clock.now(),
            pull_errors=self.pull_errors,
            config=Configs(self.cluster).look((live["metadata"]["namespace"], "checkout"), self.plan, target),
        )
        return observe(sight)

    async def act(self, decision: Decision, seen: Observation | None = None) -> None:
        seen = seen or self.observe()
        await Act(cluster=self.cluster, mesh=self.mesh, seen=seen, decision=decision, canary=seen.canary).run()

    async def once(self, epoch: str = "e1") -> Decision:
        """Make one pass, as the controller does."""
        seen, status, now = self.observe(), self.status, self.cluster.clock.now()
        asked = questions(self.plan, status, seen.world, now)
        world = replace(seen.world, answers={question: self.answers(question) for question in asked})
        decision = decide(plan=self.plan, status=status, world=world, now=now)
        after = decision.status
        if after.phase is not None and not after.phase.at_rest:
            after = replace(after, memory=replace(after.memory, epoch=epoch))
        decision, latest = replace(decision, status=after), seen.canary
        if after != status:
            patch = {"status": exact(latest.get("status") or {}, status_to_json(after))}
            latest = await self.cluster.patch(
                ref(CANARY), patch, resource_version=resource_version(latest), subresource="status"
            )
        act = Act(cluster=self.cluster, mesh=self.mesh, seen=seen, decision=decision, canary=latest)
        await act.run()
        if not self.said or self.said[-1] != decision.because:
            self.said.append(decision.because)
        self.notices += [notice.reason for notice in decision.notices]
        return decision

    async def until_phase(self, phase: Phase) -> None:
        """Make passes until the canary is in a phase."""
        await self.until(lambda: self.status.phase is phase)

    async def for_a_while(self, seconds: float = 30) -> None:
        """Make passes for some seconds."""
        end = asyncio.get_running_loop().time() + seconds
        await self.until(lambda: asyncio.get_running_loop().time() >= end)

    async def until(self, predicate: Callable[[], object], within: float = 900) -> None:
        """Make a pass each `STEP` seconds until the predicate holds; fail with what was said when it does not."""
        end = asyncio.get_running_loop().time() + within
        while not predicate():
            if asyncio.get_running_loop().time() > end:
                raise AssertionError("it did not hold in time; said was:\n" + "\n".join(self.said[-20:]))
            with contextlib.suppress(Conflict):  # the cache was behind: the next pass starts from fresh reads
                await self.once()
            await asyncio.sleep(STEP)
