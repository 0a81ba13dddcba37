"""What people do to a Deployment, in which moment of a rollout, and which version must serve in the end.

Each pair is chosen, brought about and counted: none is left to chance. Not its job: the traffic meanwhile (recorder).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from canary.ports import DEPLOYMENT
from canary.sandbox import shop
from canary.sandbox.rig import Rig
from meshes.contract import ObjectRef
from tests.builders import config_map
from tests.faults.recorder import Recorder

TARGET_REF = ObjectRef(DEPLOYMENT, shop.NAMESPACE, shop.NAME)
ANNOTATIONS = {**shop.ANNOTATIONS, "canary.delivery/steps": "25", "canary.delivery/max-failures": "1"}
LINGER_MS = "3000"
"""As Kubernetes asks of pods that end: they serve until all proxies know, however busy the machine is."""
QUIET_S = 2.5
"""So long nothing may come after what looks like the end."""


class Moment(StrEnum):
    """Where a rollout is. The words are the columns of the table at the end of a run."""

    COMING_UP = "coming up"
    AT_WEIGHT = "at weight"
    PROMOTING = "Promoting"
    FINALIZING = "Finalizing"
    ROLLING_BACK = "RollingBack"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"

    @property
    def of_a_bad_version(self) -> bool:
        return self in (Moment.ROLLING_BACK, Moment.FAILED)


class Deed(StrEnum):
    """What is done. The words are the rows of the table."""

    PUSH = "push"
    BURST = "burst of five"
    REVERT = "revert"
    FAILED_AGAIN = "the failed one again"
    CONFIG = "config alone"
    RESTART = "restart alone"
    SCALE = "scale alone"
    PUT = "replace, which drops the hold"


M = Moment
CHOSEN: Mapping[Deed, tuple[Moment, ...]] = {
    Deed.PUSH: tuple(Moment),
    Deed.BURST: (M.COMING_UP, M.AT_WEIGHT, M.PROMOTING, M.SUCCEEDED),
    Deed.REVERT: (M.COMING_UP, M.AT_WEIGHT, M.PROMOTING, M.FINALIZING, M.ROLLING_BACK, M.FAILED),
    Deed.FAILED_AGAIN: (M.FAILED,),
    Deed.CONFIG: (M.AT_WEIGHT, M.PROMOTING, M.SUCCEEDED),
    Deed.RESTART: (M.COMING_UP, M.AT_WEIGHT, M.PROMOTING, M.FAILED, M.SUCCEEDED),
    Deed.SCALE: (M.AT_WEIGHT, M.PROMOTING, M.ROLLING_BACK, M.SUCCEEDED),
    Deed.PUT: (M.AT_WEIGHT,),
}
PAIRS = [(deed, moment) for deed, moments in CHOSEN.items() for moment in moments]


@dataclass(slots=True)
class Pipeline:
    """Who pushes. Each version is new; `pushed` keeps them by tag."""

    running: Rig
    recorder: Recorder
    pushed: dict[str, shop.Version] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def push(self, version: shop.Version) -> str:
        """Apply a version and return its tag."""
        self.pushed[version.tag] = version
        self.running.cluster.apply(manifest(version))
        return version.tag

    def new(self, *, bad: bool = False) -> shop.Version:
        """Return a version that nobody has seen yet."""
        tag, env = f"2.{next(self._numbers)}.0", shop.BAD.env if bad else shop.GOOD.env
        return shop.Version(tag=tag, what="bad" if bad else "good", env=env)

    async def reach(self, moment: Moment) -> str:
        """Bring a moment about, from rest; return the tag that is rolled out in it."""
        if moment is Moment.SUCCEEDED and self.recorder.phase == "Succeeded":
            return self.recorder.stable
        tag = self.push(self.new(bad=moment.of_a_bad_version))
        await self.recorder.until(lambda: self._is(moment, tag))
        return tag

    def _is(self, moment: Moment, tag: str) -> bool:
        it = self.recorder
        match moment:
            case Moment.COMING_UP:
                return it.phase == "Progressing" and it.weight == 0
            case Moment.AT_WEIGHT:
                return it.phase == "Progressing" and it.weight > 0
            case Moment.SUCCEEDED:
                return it.phase == "Succeeded" and it.stable == tag
            case _:
                return it.phase == moment.value and it.tested == tag

    async def do(self, deed: Deed, before: str, now: str, *, bad: bool) -> str:
        """Do it; return the tag that must serve in the end. `before` served, `now` is rolled out and may be bad."""
        cluster, same = self.running.cluster, before if bad else now
        match deed:
            case Deed.PUSH:
                return self.push(self.new())
            case Deed.BURST:
                for _ in range(5):
                    last = self.push(self.new())
                    await asyncio.sleep(0.2)
                return last
            case Deed.REVERT:
                return self.push(self.pushed[before])
            case Deed.FAILED_AGAIN:
                self.push(self.pushed[before])
                await self.recorder.until(lambda: self.recorder.phase == "Succeeded")
                self.push(self.pushed[now])
            case Deed.CONFIG:
                cluster.apply(config_map(namespace=shop.NAMESPACE, text=str(next(self._numbers))))
            case Deed.RESTART:
                at = {"kubectl.kubernetes.io/restartedAt": f"2026-01-01T00:00:{next(self._numbers):02}Z"}
                cluster.edit(TARGET_REF, {"spec": {"template": {"metadata": {"annotations": at}}}}, "kubectl-rollout")
            case Deed.SCALE:
                cluster.edit(TARGET_REF, {"spec": {"replicas": 3}}, "kubectl-scale")
            case Deed.PUT:
                return self._put(self.new())
        return same

    def _put(self, version: shop.Version) -> str:
        self.pushed[version.tag] = version
        self.recorder.excuse(version.tag)
        self.running.cluster.replace(manifest(version))
        return version.tag

    async def settled(self, tag: str) -> None:
        """Wait until a version serves alone and nothing follows."""
        while True:
            await self.recorder.until(lambda: self._rests(tag))
            await asyncio.sleep(QUIET_S)
            if self._rests(tag):
                return

    def _rests(self, tag: str) -> bool:
        it = self.recorder
        return it.phase in ("Initialized", "Succeeded", "Failed") and it.stable == tag and it.weight == 0


def manifest(version: shop.Version) -> dict[str, Any]:
    """Return the Deployment of a version, which reads a ConfigMap and serves on for LINGER_MS when it is ended."""
    wanted = shop.deployment(replace(version, env={**version.env, "LINGER_MS": LINGER_MS}), ANNOTATIONS)
    [container] = wanted["spec"]["template"]["spec"]["containers"]
    container["envFrom"] = [{"configMapRef": {"name": "app-config"}}]
    return wanted
