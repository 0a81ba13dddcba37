"""The in-memory cluster on an ordinary event loop, as the demo runs it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from canary.sandbox.clock import LoopClock
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.simulated import PodBehaviour, SimulatedRuntime
from tests.builders import deployment
from tests.embedded import eventually, is_rolled_out


async def test_a_roll_ends_without_virtual_time() -> None:
    cluster = InMemoryCluster(clock=LoopClock(datetime(2030, 1, 1, tzinfo=UTC)))
    runtime = SimulatedRuntime(usual=PodBehaviour(ready_after=0.01, stop_after=0.01))
    async with Kubelet(cluster.client("kubelet"), runtime, cluster.clock):
        cluster.apply(deployment(replicas=2))
        await eventually(cluster, lambda: is_rolled_out(cluster))
        cluster.apply(deployment(replicas=2, image="registry.example/checkout:2.0"))
        await eventually(cluster, lambda: len(runtime.running) == 2 and is_rolled_out(cluster))
    cluster.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
