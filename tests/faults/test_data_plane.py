"""Pushes at any moment under real traffic: a recorder in the data plane sees who answers, and that somebody does.

Envoy carries the requests, the controller is the real one. A minute and a half of real time for each seed, so only
`make test-faults` does it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from canary.ports import CANARY, DEPLOYMENT, Watched
from canary.sandbox import shop
from canary.sandbox.rig import Rig, RigSettings, rig
from meshes.contract import ObjectRef
from tests.faults.table import TALE, tale

CANARY_REF = ObjectRef(CANARY, shop.NAMESPACE, shop.NAME)
TARGET_REF = ObjectRef(DEPLOYMENT, shop.NAMESPACE, shop.NAME)
NEWER = shop.Version(tag="1.3.0", what="another good version", env={"LATENCY_MS": "5"})
VERSIONS = {version.tag: version for version in (shop.OLD, shop.GOOD, shop.BAD, NEWER)}
RATE = 100.0
PATIENCE_S = 180.0
IN_FLIGHT_S = 3.0
"""So long after a decision a request may still be answered by whom it was sent to: a sample's interval, the drain."""


class Recorder:
    """Who may answer, by what the status said lately, and who did. `found` are the answers that nobody allowed."""

    def __init__(self, rig: Rig) -> None:
        self.found: list[str] = []
        self.status: dict[str, Any] = {}
        self.changed = asyncio.Event()
        self._allowed: deque[tuple[float, frozenset[tuple[str, str]]]] = deque()
        self._rig = rig
        rig.cluster.subscribe(self._notice)

    def _notice(self, event: Watched) -> None:
        if event.ref != CANARY_REF:
            return
        self.status = dict(event.manifest.get("status") or {})
        self._allowed.append((asyncio.get_running_loop().time(), frozenset(self._may_answer())))
        self.changed.set()

    def _may_answer(self) -> Iterator[tuple[str, str]]:
        """Yield workload and version of those that the status lets serve: the candidate only what is under analysis."""
        known = self.status.get("memory") or {}
        tested, stable = (_tag(known.get(which)) for which in ("revision", "stable"))
        primary = f"{shop.NAME}-primary"
        yield primary, stable
        phase = self.status.get("phase")
        if phase in ("Promoting", "Finalizing", "RollingBack"):
            yield primary, tested  # it is being given to the primary, or taken away again
        if phase in (None, "Initializing") or (known.get("memory") or {}).get("stage") == "rest":
            yield shop.NAME, shop.OLD.tag  # before the onboarding is over
        if self.status.get("weight"):
            yield shop.NAME, tested

    async def watch(self) -> None:
        """Compare each sample of the load with what was allowed lately."""
        async for sample in self._rig.load.samples():
            since = asyncio.get_running_loop().time() - IN_FLIGHT_S
            while len(self._allowed) > 1 and self._allowed[1][0] < since:
                self._allowed.popleft()
            allowed = frozenset[tuple[str, str]]().union(*(each for _, each in self._allowed))
            for source, answers in sample.answers.items():
                if answers.requests and (source.workload, source.version) not in allowed:
                    self.found.append(
                        f"{answers.requests} requests reached {source.version} of {source.workload} in "
                        f"{self.status.get('phase')}: {self.status.get('message')}"
                    )

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


def _tag(revision: Any) -> str:
    return str((revision or {}).get("image", "")).rpartition(":")[2]


async def test_no_request_reaches_what_is_not_under_analysis_and_none_is_lost(
    drive: int, record_property: Callable[[str, object], None]
) -> None:
    dice = random.Random(drive)
    async with rig(RigSettings(rate=RATE, real_prometheus=False)) as running:
        recorder = Recorder(running)
        running.cluster.apply(shop.deployment(shop.OLD, shop.ANNOTATIONS))
        await recorder.until(lambda: recorder.status.get("phase") == "Initialized")
        watching = asyncio.create_task(recorder.watch(), name="recorder")
        pushed = [await _push(running, dice) for _ in range(4)]
        running.cluster.apply(shop.deployment(NEWER, shop.ANNOTATIONS))
        await recorder.until(lambda: _serves(recorder.status, NEWER.tag))
        total = await running.load.finish()
        watching.cancel()
    record_property(TALE, tale("pushes under real traffic", {}))
    assert recorder.found == [], pushed
    assert (total.lost, total.skipped) == (0, 0), pushed
    assert total.requests > 0


def _serves(status: dict[str, Any], tag: str) -> bool:
    return status.get("phase") == "Succeeded" and _tag((status.get("memory") or {}).get("stable")) == tag


async def _push(running: Rig, dice: random.Random) -> str:
    """Push a version, restart, or set another size; then let some time go by. Return what was done."""
    what = dice.choice(("push", "burst", "restart", "scale"))
    tags = [dice.choice(tuple(VERSIONS)) for _ in range(5 if what == "burst" else 1)]
    match what:
        case "restart":
            restarted = {"kubectl.kubernetes.io/restartedAt": f"2026-01-01T00:00:{dice.randrange(10, 60)}Z"}
            template = {"metadata": {"annotations": restarted}}
            running.cluster.edit(TARGET_REF, {"spec": {"template": template}}, "kubectl-rollout")
        case "scale":
            running.cluster.edit(TARGET_REF, {"spec": {"replicas": dice.randrange(1, 4)}}, "kubectl-scale")
        case _:
            for tag in tags:
                running.cluster.apply(shop.deployment(VERSIONS[tag], shop.ANNOTATIONS))
                await asyncio.sleep(dice.uniform(0, 0.5))
    await asyncio.sleep(dice.uniform(2, 20))
    return f"{what} {' '.join(tags)}"
