"""Many canaries at once, each watched by invariants of its own: one in five fails its checks, one in five crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from canary.ports import CANARY, DEPLOYMENT
from canary.rollout.model import Status
from canary.rollout.phases import Phase
from canary.sandbox.simulated import CRASHING
from canary.spec.status import status_from_json
from tests.builders import canary, deployment, ref, service
from tests.embedded import ready_images
from tests.scenarios.invariants import Invariants
from tests.scenarios.stage import ROLLOUT_S, Stage, analysis, image


def status(stage: Stage, name: str, namespace: str = "shop") -> Status:
    return status_from_json(stage.cluster.now(ref(CANARY, name, namespace)).get("status"))


def watched(stage: Stage, names: Sequence[str], namespace: str = "shop") -> list[Invariants]:
    return [Invariants(stage.cluster, name, namespace) for name in names]


async def until_all(stage: Stage, predicate: Callable[[], bool]) -> None:
    """Look every few seconds: to look at each change of so many would take long."""
    async with asyncio.timeout(ROLLOUT_S):
        while not predicate():
            await stage.rest(5)


async def onboarded(stage: Stage, names: Sequence[str], *namespaces: str) -> None:
    """Onboard canaries of these names in each of the namespaces, and wait until all are at rest."""
    for namespace in namespaces:
        for name in names:
            stage.cluster.apply(deployment(name, image=image("1.0", name), replicas=None, namespace=namespace))
            stage.cluster.edit(ref(DEPLOYMENT, name, namespace), {"spec": {"replicas": 3}})
            stage.cluster.apply(service(name, namespace=namespace))
            stage.cluster.apply(canary(name, namespace=namespace, analysis=analysis()))
    stage.start()
    every = [(name, namespace) for name in names for namespace in namespaces]
    await until_all(stage, lambda: all(status(stage, *each).phase is Phase.INITIALIZED for each in every))


async def at_once(stage: Stage, count: int) -> None:
    """Roll out a version of so many canaries at the same moment; each must end as if it were alone."""
    names = [f"app-{number}" for number in range(count)]
    bad, broken = names[::5], names[1::5]
    watches = watched(stage, names)
    await onboarded(stage, names, "shop")
    for name in bad:
        stage.metrics.set(name, bad=0.5)
    crash = {image("2.0", name) for name in broken}
    stage.runtime.choose = lambda pod: CRASHING if pod["spec"]["containers"][0]["image"] in crash else None
    for name in names:
        stage.cluster.apply(deployment(name, image=image("2.0", name), replicas=None))
    await until_all(stage, lambda: all(status(stage, name).phase in (Phase.SUCCEEDED, Phase.FAILED) for name in names))
    outcomes = {name: status(stage, name).history[0].outcome.value for name in names}
    kept = {*bad, *broken}
    assert outcomes == {name: "rolled_back" if name in kept else "promoted" for name in names}
    for name in names:
        assert ready_images(stage.cluster, f"{name}-primary") == [image("1.0" if name in kept else "2.0", name)] * 3
    assert [found for watch in watches for found in watch.found] == []
