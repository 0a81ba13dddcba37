"""The story of the demo: a good version is shipped and promoted, a bad one is shipped and rolled back.

It watches from outside, as a user does: the Canary's status, the answers that the load gets, the messages in Slack.
Not its job: running the parts (rig.py), showing them (canary.cli).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from canary.errors import CanaryError
from canary.ports import CANARY, DEPLOYMENT, Watched
from canary.sandbox import shop
from canary.sandbox.load_counts import LoadSample
from canary.sandbox.rig import Rig
from meshes.contract import ObjectRef

PATIENCE_S = 100.0
"""Seconds that one chapter may take before the demo is given up; on an idle machine the longest takes about 40."""

SIGMAS = 5.0
"""How far a measured share may lie from the decided one, in standard deviations of a binomial draw."""

CANARY_REF = ObjectRef(CANARY, shop.NAMESPACE, shop.NAME)
AT_REST = ("Initialized", "Succeeded", "Failed")


class StoryFailed(CanaryError):
    """A chapter did not end as it should, or not in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The split of one step: the weight as decided, and of how many requests how many the canary answered."""

    weight: int
    requests: int
    at_canary: int

    @property
    def percent(self) -> float:
        """The canary's share in percent, 0 without requests."""
        return 100 * self.at_canary / self.requests if self.requests else 0.0

    @property
    def by_chance(self) -> bool:
        """Return whether the difference is what a draw of that many requests with that weight gives.

        `SIGMAS` standard deviations of the binomial distribution, sqrt(n p (1 - p)), and one request for rounding.
        """
        share = self.weight / 100
        spread = math.sqrt(self.requests * share * (1 - share))
        return abs(self.at_canary - self.requests * share) <= SIGMAS * spread + 1


@dataclass(slots=True, kw_only=True)
class Rollout:
    """What was seen of one rollout, from the push to its end."""

    version: shop.Version
    outcome: str = ""
    weights: list[int] = field(default_factory=list)
    splits: list[Measured] = field(default_factory=list)
    duration_s: float = 0.0
    requests: int = 0
    failed_requests: int = 0
    failed_elsewhere: int = 0
    """Failed requests that another version than this one answered."""
    seconds_to_zero: float | None = None
    message: str = ""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What the whole story came to."""

    mesh: str
    rollouts: list[Rollout] = field(default_factory=list)
    lost_requests: int = 0

    def faults(self) -> list[str]:
        """Return what is not as it should be, one sentence each; empty when all is."""
        wanted = ("promoted", "rolled_back")
        ended = tuple(rollout.outcome for rollout in self.rollouts)
        found = [] if ended == wanted else [f"the rollouts ended {ended}, not {wanted}"]
        if self.lost_requests:
            found.append(f"{self.lost_requests} requests were answered by no pod")
        for rollout in self.rollouts:
            tag = rollout.version.tag
            if rollout.failed_elsewhere:
                found.append(f"{rollout.failed_elsewhere} requests failed at another version than {tag}")
            found += [
                f"{tag}: {split.percent:.1f} % of {split.requests} requests reached it at weight {split.weight}"
                for split in rollout.splits
                if not split.by_chance
            ]
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the object that `canary demo --json` prints."""
        return {
            "mesh": self.mesh,
            "rollouts": [
                {
                    "outcome": rollout.outcome,
                    "weights": rollout.weights,
                    "duration_s": round(rollout.duration_s, 1),
                    "requests": rollout.requests,
                    "failed_requests": rollout.failed_requests,
                    "seconds_from_first_failure_to_zero_weight": (
                        None if rollout.seconds_to_zero is None else round(rollout.seconds_to_zero, 1)
                    ),
                }
                for rollout in self.rollouts
            ],
            "lost_requests": self.lost_requests,
        }


class Story:
    """Tells the story on a rig. `say` gets one sentence for each thing that happens; it may be shown live."""

    def __init__(self, rig: Rig, say: Callable[[str], None]) -> None:
        self._rig = rig
        self._say = say
        self._changed = asyncio.Event()
        self.outcome = Outcome(mesh=rig.mesh)
        self.status: dict[str, Any] = {}
        self._failed_at: float | None = None
        self._zero_at: float | None = None
        rig.cluster.subscribe(self._notice)

    async def tell(self) -> Outcome:
        """Ship both versions and return what was seen. Raises StoryFailed when a chapter does not come to its end."""
        self._say(f"the shop takes canary into service ({self._rig.rate:g} requests a second go on all the while)")
        self._rig.cluster.apply(shop.deployment(shop.OLD, shop.ANNOTATIONS))
        await self._until(lambda: self.status.get("phase") == "Initialized", "the canary to be initialized")
        self._say("at rest: all traffic is at the primary")
        for version in (shop.GOOD, shop.BAD):
            await self._rollout(version)
        total = await self._rig.load.finish()
        self.outcome.lost_requests = total.lost
        return self.outcome

    async def _rollout(self, version: shop.Version) -> None:
        rollout = Rollout(version=version)
        self.outcome.rollouts.append(rollout)
        loop = asyncio.get_running_loop()
        before = self._rig.load.total
        self._failed_at = self._zero_at = None
        began = loop.time()
        self._say(f"{shop.NAME}:{version.tag} is pushed, {version.what}")
        self._rig.cluster.apply(shop.deployment(version, shop.ANNOTATIONS))
        async with self._watching_failures(version):
            await self._until(lambda: self.status.get("phase") not in AT_REST, f"the rollout of {version.tag} to start")
            await self._steps(rollout)
        rollout.duration_s = loop.time() - began
        await self._rig.load.mark()
        self._count(rollout, before)
        rollout.message = str(self.status.get("message", ""))
        rollout.outcome = {"Succeeded": "promoted", "Failed": "rolled_back"}.get(self.status["phase"], "none")
        if self._failed_at is not None and self._zero_at is not None:
            rollout.seconds_to_zero = max(0.0, self._zero_at - self._failed_at)
        self._say(f"{version.tag}: {rollout.outcome.replace('_', ' ')} after {rollout.duration_s:.0f} s")

    async def _steps(self, rollout: Rollout) -> None:
        """Follow the weights until the rollout rests; measure each between its taking effect and the next change."""
        weight = 0
        while self.status.get("phase") not in AT_REST:
            await self._until(
                functools.partial(self._moved_on, weight),
                f"the rollout of {rollout.version.tag} to go on from weight {weight}",
            )
            sample = await self._rig.load.mark()
            if weight:
                at_canary = sample.answers_of(workload=shop.NAME).requests
                rollout.splits.append(Measured(weight=weight, requests=sample.total.requests, at_canary=at_canary))
            weight = int(self.status.get("weight", 0))
            if weight:
                rollout.weights.append(weight)
                self._say(f"{weight} % of the requests go to {rollout.version.tag}")
                await self._rig.envoy.settled()
                await self._rig.load.mark()
            elif rollout.weights:
                self._zero_at = asyncio.get_running_loop().time()

    def _moved_on(self, weight: int) -> bool:
        return int(self.status.get("weight", 0)) != weight or self.status.get("phase") in AT_REST

    def _count(self, rollout: Rollout, before: LoadSample) -> None:
        after = self._rig.load.total
        rollout.requests = after.requests - before.requests
        rollout.failed_requests = after.failed - before.failed
        own = sum(answers.failed for source, answers in after.answers.items() if source.version == rollout.version.tag)
        rollout.failed_elsewhere = rollout.failed_requests - own

    @contextlib.asynccontextmanager
    async def _watching_failures(self, version: shop.Version) -> AsyncIterator[None]:
        async def watch() -> None:
            async for sample in self._rig.load.samples():
                bad = any(answers.failed for source, answers in sample.answers.items() if source.version == version.tag)
                if bad and self._failed_at is None:
                    self._failed_at = asyncio.get_running_loop().time()

        watching = asyncio.create_task(watch(), name="story failures")
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            stand = self.status.get("message") or "the canary has no status yet"
            raise StoryFailed(f"waited {PATIENCE_S:.0f} s for {what}; {stand}") from error

    def _notice(self, event: Watched) -> None:
        if event.ref == CANARY_REF:
            self.status = dict(event.manifest.get("status") or {})
            self._changed.set()
        elif event.ref.kind == DEPLOYMENT:
            self._changed.set()
