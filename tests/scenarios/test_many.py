"""Many canaries at once, and canaries of the same name in two namespaces: none is in the way of another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from canary.controller.names import COMMAND, annotations_of
from canary.ports import CANARY, DEPLOYMENT
from canary.rollout.model import Status
from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.simulated import CRASHING
from canary.spec.status import status_from_json
from tests.builders import canary, deployment, ref, service, settings
from tests.embedded import ready_images
from tests.scenarios.invariants import Invariants
from tests.scenarios.stage import ROLLOUT_S, Stage, analysis, image

pytestmark = pytest.mark.looptime

MANY = [f"app-{number}" for number in range(20)]
"""`make bench` runs a hundred at once."""
BAD, BROKEN = MANY[::5], MANY[1::5]


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
    for namespace in namespaces:
        for name in names:
            stage.cluster.apply(deployment(name, image=image("1.0", name), replicas=None, namespace=namespace))
            stage.cluster.edit(ref(DEPLOYMENT, name, namespace), {"spec": {"replicas": 3}})
            stage.cluster.apply(service(name, namespace=namespace))
            stage.cluster.apply(canary(name, namespace=namespace, analysis=analysis()))
    stage.start()
    every = [(name, namespace) for name in names for namespace in namespaces]
    await until_all(stage, lambda: all(status(stage, *each).phase is Phase.INITIALIZED for each in every))


@pytest.mark.bound(240)
async def test_rollouts_at_once_each_end_as_they_should(stage: Stage) -> None:
    watches = watched(stage, MANY)
    await onboarded(stage, MANY, "shop")
    for name in BAD:
        stage.metrics.set(name, bad=0.5)
    stage.runtime.choose = lambda pod: CRASHING if _is_broken(pod["spec"]["containers"][0]["image"]) else None
    for name in MANY:
        stage.cluster.apply(deployment(name, image=image("2.0", name), replicas=None))
    await until_all(stage, lambda: all(status(stage, name).phase in (Phase.SUCCEEDED, Phase.FAILED) for name in MANY))
    outcomes = {name: status(stage, name).history[0].outcome.value for name in MANY}
    kept = {*BAD, *BROKEN}
    assert outcomes == {name: "rolled_back" if name in kept else "promoted" for name in MANY}
    for name in MANY:
        assert ready_images(stage.cluster, f"{name}-primary") == [image("1.0" if name in kept else "2.0", name)] * 3
    assert [found for watch in watches for found in watch.found] == []


def _is_broken(shown: str) -> bool:
    return shown in {image("2.0", name) for name in BROKEN}


async def test_two_namespaces_with_the_same_names_do_not_touch_each_other(stage: Stage) -> None:
    watches = watched(stage, ["checkout"], "default")
    await onboarded(stage, ["checkout"], "shop", "default")
    stage.metrics.set("shop/checkout", bad=0.5)
    for namespace in ("shop", "default"):
        stage.cluster.apply(deployment(image=image("2.0"), replicas=None, namespace=namespace))
    await stage.until(lambda: status(stage, "checkout").phase is Phase.FAILED)
    await stage.until(lambda: status(stage, "checkout", "default").phase is Phase.SUCCEEDED)
    assert ready_images(stage.cluster, "checkout-primary", "shop") == [image("1.0")] * 3
    assert ready_images(stage.cluster, "checkout-primary", "default") == [image("2.0")] * 3
    assert [found for watch in watches for found in watch.found] == []


async def test_commands_are_answered_once_every_canary_had_its_pass(stage: Stage) -> None:
    names = MANY[:8]
    watches = watched(stage, names)
    await onboarded(stage, names, "shop")
    for name in names:
        stage.cluster.apply(deployment(name, image=image("2.0", name), replicas=None))
    await until_all(stage, lambda: all(status(stage, name).weight for name in names))
    stage.client.requests.clear()
    for name in names:
        stage.cluster.edit(ref(CANARY, name), {"metadata": {"annotations": settings(command="abort")}})
    await until_all(stage, lambda: all(status(stage, name).phase is Phase.FAILED for name in names))
    calls = [call for call in stage.client.requests.log if call.ref.name in names]
    splits = [calls.index(next(call for call in calls if call.ref == ref(VIRTUAL_SERVICE, name))) for name in names]
    answers = [
        index for index, call in enumerate(calls) if call.ref.kind == CANARY and not call.subresource
    ]  # each has one, and it is the annotation that goes
    assert len(answers) == len(names)
    assert sum(split < min(answers) for split in splits) >= len(names) - 1
    assert all(annotations_of(stage.cluster.now(ref(CANARY, name))).get(COMMAND) is None for name in names)
    assert [found for watch in watches for found in watch.found] == []
