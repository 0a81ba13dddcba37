"""Measures the controller with 200, 1,000 and 2,000 canaries; ends with 1 when a budget is broken.

Real time, and the real `canary run` in a process of its own against the in-memory cluster over HTTP: what is counted of
processor and memory is the controller's alone. Times run from event to effect at the API server.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console

from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.rig import WallClock
from canary.sandbox.simulated import SimulatedRuntime
from tests.api.prometheus import prometheus
from tests.bench import page, queries
from tests.bench.api_server import ApiServer, served
from tests.bench.controller_process import Running, controller
from tests.bench.report import Figures, Steady, broken, table
from tests.bench.world import ABORTED, CRASHED, EFFECTS, FAILED, PUSHED, World

SIZES = (200, 1000, 2000)
WRITE = "--write"
AT_ONCE = 100
SCRAPE_S, INTERVAL_S, STEP_S = 5, 30, 60
ANALYSIS = {"interval": f"{INTERVAL_S}s", "steps": f"20@{STEP_S}s,50@10m"}
FLAGS = ("--scrape-interval", f"{SCRAPE_S}s", "--settle", "2s", "--drain", "2s")
REST_S, SETTLED_S, STEADY_S, PATIENCE_S = 10.0, 10.0, 40.0, 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The running parts."""

    world: World
    server: ApiServer
    process: Running

    def say(self, text: str) -> None:
        used = self.process.used()
        sys.stderr.write(f"  {text}; the controller used {used.cpu_s:.1f} s, {used.rss_mib:.0f} MiB\n")

    async def window(self, seconds: float) -> Steady:
        """Let it run for so long and return what it did meanwhile."""
        before, requests, asked = self.process.used(), self.server.requests.copy(), self.world.metrics.asked
        await asyncio.sleep(seconds)
        after, done = self.process.used(), self.server.requests - requests
        return Steady(
            seconds=seconds,
            cores=(after.cpu_s - before.cpu_s) / seconds,
            reads=done["GET"] + done["LIST"],
            writes=done.total() - done["GET"] - done["LIST"],
            queries=self.world.metrics.asked - asked,
        )


async def measure(size: int) -> Figures:
    """Onboard `size` canaries, let them rest, run 100 rollouts for a while, then let it all happen at once."""
    cluster = InMemoryCluster(clock=WallClock())
    world, server = World(cluster, size), ApiServer(cluster)
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(Kubelet(cluster.client("kubelet"), SimulatedRuntime(), cluster.clock))
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        address = await parts.enter_async_context(served(server))
        metrics = await parts.enter_async_context(prometheus(world.metrics))
        process = await parts.enter_async_context(controller(folder, address, metrics, *FLAGS))
        figures = await _run(Bench(world=world, server=server, process=process))
    cluster.close()
    return figures


async def _run(bench: Bench) -> Figures:
    world = bench.world
    many = min(AT_ONCE, len(world.names) // 4)
    one, two, three, four = (world.names[at * many : (at + 1) * many] for at in range(4))
    began = time.monotonic()
    await world.apply(ANALYSIS)
    await world.until_phase("Initialized", world.names, PATIENCE_S)
    onboarding, used = time.monotonic() - began, bench.process.used()
    bench.say("onboarded")
    await asyncio.sleep(REST_S)
    rest = await bench.window(REST_S)
    bench.say("rested")
    await world.push(one, ANALYSIS)
    await world.until_weight(20, one, PATIENCE_S)
    bench.say("running")
    await asyncio.sleep(SETTLED_S)
    steady = await bench.window(STEADY_S)
    step = await bench.window(STEP_S - STEADY_S)
    await world.until_weight(50, one, PATIENCE_S)
    bench.say("second step")
    await world.push([*two, *three], ANALYSIS)
    await world.until_weight(20, [*two, *three], PATIENCE_S)
    await _all_at_once(bench, one, two, three, four)
    return Figures(
        registered=len(world.names),
        running=many,
        onboarding_s=onboarding,
        onboarding_cpu_s=used.cpu_s,
        rest=rest,
        steady=steady,
        step=step,
        interval_s=INTERVAL_S,
        seconds={event: tuple(world.watch.seconds(event)) for event in EFFECTS},
        onboarded_mib=used.rss_mib,
        rss_mib=bench.process.used().rss_mib,
        peak_mib=bench.process.used().peak_mib,
    )


async def _all_at_once(bench: Bench, *groups: Sequence[str]) -> None:
    """In the same second fail and abort those of two groups, which run, and push the fourth; then crash the third."""
    world, (one, two, three, four) = bench.world, groups
    world.watch.forget(PUSHED)  # what counts is the push in the same second as the rest
    gc.collect()  # of this process, the cluster: with all its objects it would stop everything for a second
    gc.disable()
    await asyncio.sleep(SCRAPE_S)
    bench.say("all at once")
    await asyncio.gather(world.push(four, ANALYSIS), world.fail(one), world.abort(two))
    for event, names in ((PUSHED, four), (FAILED, one), (ABORTED, two)):
        await world.until_effect(event, names, PATIENCE_S)
    await world.crash(three)
    await world.until_effect(CRASHED, three, PATIENCE_S)
    gc.enable()
    bench.say("done")


def main() -> None:
    """Measure the sizes that are named, or all, with `--write` into docs/performance.md too; with `queries` count what
    Prometheus is asked instead."""
    if sys.argv[1:2] == ["queries"]:
        sys.stdout.write(f"{queries.main(sys.argv[2:])}\n")
        return
    sizes = [int(word) for word in sys.argv[1:] if word != WRITE] or SIZES
    found = []
    for size in sizes:
        sys.stderr.write(f"{size} canaries\n")
        found.append(uvloop.run(measure(size)))
    console = Console(width=150)
    console.print(table(found))
    if WRITE in sys.argv:
        page.write(found)
    if faults := [fault for figures in found for fault in broken(figures)]:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
