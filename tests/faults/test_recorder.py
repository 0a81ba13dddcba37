"""What the recorder in the data plane finds, and for how long it excuses what was sent before a decision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from canary.ports import CANARY
from canary.sandbox import shop
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.load_counts import Answers, LoadSample, Source
from meshes.contract import ObjectRef
from tests.faults.recorder import CANARY_REF, IN_FLIGHT_S, ROUTE_S, Recorder

pytestmark = pytest.mark.looptime

ROUTE_REF = ObjectRef(VIRTUAL_SERVICE, shop.NAMESPACE, shop.NAME)
MOMENT_S = 0.25


class Scene:
    """A Canary at 25 % with its route, a proxy that acknowledges when it is told to, and requests."""

    def __init__(self, cluster: InMemoryCluster) -> None:
        self.cluster = cluster
        self.acknowledged = asyncio.Event()
        self.acknowledged.set()
        self._samples: asyncio.Queue[LoadSample] = asyncio.Queue()
        self.recorder = Recorder(cluster, self._settled, self._counted)
        meta = {"namespace": shop.NAMESPACE, "name": shop.NAME}
        cluster.apply({"apiVersion": "canary.delivery/v1alpha1", "kind": CANARY.kind, "metadata": meta})
        route = {"apiVersion": "networking.istio.io/v1", "kind": VIRTUAL_SERVICE.kind, "metadata": meta}
        cluster.apply({**route, "spec": _split(25)})
        self.decide("Progressing", 25)

    def decide(self, phase: str, weight: int) -> None:
        """Let the status say it."""
        known = {"stable": {"image": "shop:1.0.0"}, "revision": {"image": "shop:2.0.0"}}
        self.cluster.edit(
            CANARY_REF, {"status": {"phase": phase, "weight": weight, "memory": known}}, "canary", "status"
        )

    def route(self, weight: int) -> None:
        self.cluster.edit(ROUTE_REF, {"spec": _split(weight)}, "canary")

    async def sent(self, tag: str, workload: str = shop.NAME) -> list[str]:
        """Let one request be answered by a version, and return what is found by now."""
        answers = {Source(workload, "", tag): Answers(codes={200: 1})}
        self._samples.put_nowait(LoadSample(seconds=MOMENT_S, answers=answers))
        await asyncio.sleep(0.01)
        return self.recorder.found

    async def _settled(self) -> None:
        await self.acknowledged.wait()

    async def _counted(self) -> AsyncIterator[LoadSample]:
        while True:
            yield await self._samples.get()


def _split(weight: int) -> dict[str, Any]:
    ends = {f"{shop.NAME}-primary": 100 - weight, f"{shop.NAME}-canary": weight}
    return {"http": [{"route": [{"destination": {"host": host}, "weight": share} for host, share in ends.items()]}]}


@pytest.fixture
async def scene(cluster: InMemoryCluster) -> AsyncIterator[Scene]:
    scene = Scene(cluster)
    async with scene.recorder.watching():
        yield scene


async def test_who_had_a_weight_may_answer_until_the_proxy_has_had_the_new_one_for_a_while(scene: Scene) -> None:
    scene.acknowledged.clear()
    scene.decide("RollingBack", 0)
    scene.route(0)
    await asyncio.sleep(20)  # a busy machine's proxy
    assert await scene.sent("2.0.0") == []
    scene.acknowledged.set()
    await asyncio.sleep(IN_FLIGHT_S - MOMENT_S)
    assert await scene.sent("2.0.0") == []
    await asyncio.sleep(2 * MOMENT_S)
    assert await scene.sent("2.0.0") == [f"1 requests reached 2.0.0 of {shop.NAME} in RollingBack: None"]


async def test_a_route_that_does_not_follow_the_decision_excuses_nobody_for_long(scene: Scene) -> None:
    scene.decide("RollingBack", 0)
    await asyncio.sleep(ROUTE_S + IN_FLIGHT_S - MOMENT_S)
    assert await scene.sent("2.0.0") == []
    await asyncio.sleep(2 * MOMENT_S)
    assert len(await scene.sent("2.0.0")) == 1


async def test_who_never_was_allowed_is_found_at_once(scene: Scene) -> None:
    assert await scene.sent("2.0.0") == []
    assert await scene.sent("2.0.0", f"{shop.NAME}-primary") == [
        f"1 requests reached 2.0.0 of {shop.NAME}-primary in Progressing: None"
    ]


async def test_who_was_excused_may_answer_until_it_is_no_more_and_the_proxy_knows(scene: Scene) -> None:
    scene.recorder.excuse("3.0.0")
    await asyncio.sleep(60)
    assert await scene.sent("3.0.0") == []
    scene.recorder.excuse_no_more()
    await asyncio.sleep(IN_FLIGHT_S - MOMENT_S)
    assert await scene.sent("3.0.0") == []
    await asyncio.sleep(2 * MOMENT_S)
    assert len(await scene.sent("3.0.0")) == 1
