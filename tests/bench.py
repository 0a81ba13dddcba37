"""`make bench`: what the controller costs as canaries are added, counted on the in-memory cluster in virtual time.

Requests are counts, processor time is per rollout and put into a ratio between sizes; no figure depends on how long
anything took on the clock. The simulator and the fake Prometheus run in the same process, so the processor time is an
upper bound of the controller's own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import looptime
import structlog
from rich.console import Console
from rich.table import Table

from canary.app import Outside, control
from canary.clients.slack import LogNotifier
from canary.ports import CANARY, DEPLOYMENT
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.simulated import SimulatedRuntime
from canary.settings import Settings
from meshes.contract import ObjectRef
from tests.builders import NAMESPACE, canary, deployment, ref, service
from tests.scenarios.metrics import FakeMetrics

SIZES = (20, 40, 80)
RUNNING = 10
ONBOARD_S, IDLE_S, ROLLOUT_S = 90, 60, 240
ANALYSIS = {"interval": "20s", "steps": [{"weight": 20}, {"weight": 50}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What `registered` canaries cost while `RUNNING` of them had a rollout: counts, processor time."""

    registered: int
    promoted: int
    idle_requests: int
    writes: float
    reads: float
    queries: float
    cpu_ms_per_rollout: float


async def measure(registered: int) -> Cost:
    """Onboard `registered` canaries, let them idle, then ship a good version of `RUNNING` of them at once."""
    cluster = InMemoryCluster()
    metrics = FakeMetrics(cluster.clock)
    async with Kubelet(cluster.client("kubelet"), SimulatedRuntime(), cluster.clock):
        client = cluster.client("canary-controller")
        outside = Outside(cluster=client, metrics=metrics, notifier=LogNotifier(), clock=cluster.clock)
        settings = Settings(scrape_interval=timedelta(seconds=5))
        names = [f"app-{number}" for number in range(registered)]
        controller = asyncio.create_task(control(outside, settings, epoch="bench"))
        await _onboard(cluster, names)
        client.requests.clear()
        await asyncio.sleep(IDLE_S)
        idle = client.requests.reads + client.requests.writes
        asked, began = metrics.asked, time.process_time()
        for name in names[:RUNNING]:
            cluster.apply(deployment(name, image="registry.example/app:2.0", replicas=None))
        await asyncio.sleep(ROLLOUT_S)
        cpu = time.process_time() - began
        cost = Cost(
            registered=registered,
            promoted=sum(_phase(cluster, name) == "Succeeded" for name in names),
            idle_requests=idle,
            writes=client.requests.writes / RUNNING,
            reads=client.requests.reads / RUNNING,
            queries=(metrics.asked - asked) / RUNNING,
            cpu_ms_per_rollout=1000 * cpu / RUNNING,
        )
        controller.cancel()
        await asyncio.gather(controller, return_exceptions=True)
    cluster.close()
    return cost


async def _onboard(cluster: InMemoryCluster, names: Sequence[str]) -> None:
    for name in names:
        cluster.apply(deployment(name, image="registry.example/app:1.0", replicas=None))
        cluster.apply(service(name))
        cluster.edit(ref(DEPLOYMENT, name), {"spec": {"replicas": 1}})
        cluster.apply(canary(name, analysis=ANALYSIS))
    await asyncio.sleep(ONBOARD_S)
    late = [name for name in names if _phase(cluster, name) != "Initialized"]
    if late:
        raise SystemExit(f"{len(late)} of {len(names)} canaries were not onboarded in {ONBOARD_S} s: {late[:3]}")


def _phase(cluster: InMemoryCluster, name: str) -> str:
    return str(cluster.now(ObjectRef(CANARY, NAMESPACE, name)).get("status", {}).get("phase"))


def main() -> None:
    """Measure each size and print the table; end with 1 when a rollout did not end in promotion."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    table = Table(title=f"{RUNNING} rollouts at once, two steps each, virtual time")
    for column in (
        "registered",
        "promoted",
        "requests in an idle minute",
        "writes",
        "reads",
        "queries",
        "CPU",
        "memory",
    ):
        table.add_column(column, justify="right")
    costs = []
    for size in SIZES:
        costs.append(cost := _run(size))
        table.add_row(
            str(cost.registered),
            str(cost.promoted),
            str(cost.idle_requests),
            f"{cost.writes:.1f} a rollout",
            f"{cost.reads:.1f} a rollout",
            f"{cost.queries:.0f} a rollout",
            f"{cost.cpu_ms_per_rollout:.0f} ms a rollout",
        )
    console = Console(width=150)
    console.print(table)
    growth = costs[-1].cpu_ms_per_rollout / costs[0].cpu_ms_per_rollout
    console.print(f"processor time a rollout, {SIZES[-1]} registered against {SIZES[0]}: {growth:.2f} times")
    if any(cost.promoted != RUNNING for cost in costs):
        raise SystemExit("not every rollout was promoted: the figures mean nothing")


def _run(size: int) -> Cost:
    loop = looptime.new_event_loop()
    try:
        return loop.run_until_complete(measure(size))
    finally:
        loop.close()


if __name__ == "__main__":
    main()
