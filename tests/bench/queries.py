"""Queries to Prometheus a minute, each question by itself and grouped: the rules, the measuring and the adapters are
the real ones, in virtual time, over series as each mesh's proxies export them.

`python -m tests.bench queries` prints the table, with `--write` into docs/performance.md. It ends with 1 when the two
ways of asking come to different values, which is looked at with ten canaries; with more, Prometheus has no series, so
that all is asked and nothing is reckoned.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

import looptime

from canary.controller.grouping import MOST, Grouper
from canary.controller.measure import Measurement, Subject, answer, pods_of
from canary.ports import Series
from canary.rollout.decide import decide
from canary.rollout.model import Builtin, Check, CheckResult, Limit, NoData, Plan, Side, Step, Timing
from canary.rollout.questions import questions
from meshes.contract import AppProtocol, Workload
from tests.bench.world import ANSWERS_AFTER_S
from tests.controller.asked import MESHES
from tests.controller.mesh_series import Pod, istio, kuma, linkerd
from tests.controller.promql_metrics import START, PromQL
from tests.rollout.builders import a_plan, under_test, world_under_test

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
PLACE = re.compile(r"(<!-- queries a minute, .*? -->\n\n).*?(\n\n)", re.DOTALL)
SIZES = (10, 40, 100)
EVALUATED = 10
"""With so many canaries and fewer Prometheus has series."""
SCRAPE, INTERVAL = timedelta(seconds=15), timedelta(seconds=30)
BEGAN_WITHIN, WARMING, COUNTED = timedelta(minutes=10), timedelta(seconds=30), timedelta(minutes=1)
PIN = "6bbf8c7d9"
CHECKS = (
    Check(name="success-rate", builtin=Builtin.SUCCESS_RATE, limit=95),
    Check(name="latency-p99", builtin=Builtin.LATENCY_P99, side=Limit.MAX, limit=0.25),
)
NOW = START + BEGAN_WITHIN + timedelta(minutes=2)
"""When counting begins to warm up: canaries began before it, their series before that."""
GATEWAY = "gateway-api with "
KUMAS = f"{GATEWAY}gateways.kuma.io/controller"
ROWS: Mapping[str, tuple[tuple[str, ...], AppProtocol]] = {
    "istio": (("istio",), AppProtocol.HTTP),
    "linkerd": (("linkerd",), AppProtocol.HTTP),
    "kuma": (("kuma",), AppProtocol.HTTP),
    "kuma, gRPC": (("kuma",), AppProtocol.GRPC),
    "gateway-api, with Istio": ((f"{GATEWAY}istio.io/gateway-controller",), AppProtocol.HTTP),
    "all four side by side, gateway-api with Kuma": (("istio", "linkerd", "kuma", KUMAS), AppProtocol.HTTP),
}
"""By what the row is called: the meshes of its canaries in turn, and what these speak."""
Values = Mapping[str, tuple[CheckResult, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Queries a minute, and the values that the checks of each canary came to at last."""

    queries: float
    values: Values


class Counting(PromQL):
    """Prometheus in memory that takes its time; one that is `empty` has no series."""

    def __init__(self, *, empty: bool) -> None:
        super().__init__()
        self.empty = empty

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        await asyncio.sleep(ANSWERS_AFTER_S)
        if not self.empty:
            return await super().query(promql, at)
        self.asked.append((promql, at))
        return []


def workload(mesh: str, name: str, service: str, pin: str, protocol: AppProtocol) -> Workload:
    return Workload(
        namespace=f"shop-{len(name) % 2}",
        deployment=name,
        service=service,
        pods=pods_of(name, pin),
        port=8080,
        protocol=protocol,
        port_name="http",
        pod_port=8080,
        route=MESHES[mesh][1],
    )


def exported(metrics: PromQL, mesh: str, of: Workload) -> None:
    """Store what two pods of a workload answered until the end: one of 200 requests fails, one in 100 is slow."""
    scrapes = (NOW - START + WARMING + COUNTED) // SCRAPE + 1
    export = next(one for word, one in (("istio", istio), ("linkerd", linkerd), ("kuma", kuma)) if word in mesh)
    for suffix in ("x2x4z", "bcdfg"):
        pod = Pod(
            namespace=of.namespace,
            workload=of.deployment,
            name=f"{of.deployment}-{PIN}-{suffix}",
            protocol=of.protocol,
            listener="localhost_8080",
            first=0,
            good=(198,) * scrapes,
            faults=(1,) * scrapes,
            errors=(0,) * scrapes,
            slow=(1,) * scrapes,
        )
        export(metrics, pod)


def measurements(row: str, size: int, metrics: Counting, grouper: Grouper) -> Iterator[Measurement]:
    """Yield what is needed to ask about each of so many canaries; their series are stored on the way."""
    meshes, protocol = ROWS[row]
    for number, mesh in enumerate(islice(cycle(meshes), size)):
        name = f"app-{number}"
        sides = {
            Side.CANARY: workload(mesh, name, f"{name}-canary", PIN, protocol),
            Side.PRIMARY: workload(mesh, f"{name}-primary", name, "", protocol),
        }
        for of in () if metrics.empty else sides.values():
            exported(metrics, mesh, of)
        yield Measurement(
            plan=plan(name),
            mesh=MESHES[mesh][0],
            metrics=metrics,
            grouper=grouper,
            subjects={side: Subject(workload=of, revision=PIN) for side, of in sides.items()},
        )


def plan(name: str) -> Plan:
    long = (Step(weight=5, duration=timedelta(hours=1)), Step(weight=50))
    return a_plan(
        name=name,
        target=name,
        checks=CHECKS,
        interval=INTERVAL,
        steps=long,
        no_data=NoData.HOLD,
        timing=Timing(scrape=SCRAPE),
    )


async def running(it: Measurement, weight_at: datetime, values: dict[str, tuple[CheckResult, ...]]) -> None:
    """Run one canary in its first step, by the rules; the moment when its weight was written decides when it is due."""
    status = under_test(memory_weight_at=weight_at, memory_effective_at=None)
    loop = asyncio.get_running_loop()
    while True:
        now = NOW + timedelta(seconds=loop.time())
        world = world_under_test()
        answers = await answer(questions(it.plan, status, world, now), it)
        decision = decide(plan=it.plan, status=status, world=replace(world, answers=answers), now=now)
        assert decision.weight == 5, decision.because
        assert decision.again_in is not None, decision.because
        status, values[it.plan.name] = decision.status, decision.status.checks
        woken = now + max(decision.again_in, timedelta(seconds=0.01)) - NOW
        await asyncio.sleep(max(0.01, woken.total_seconds() - loop.time()))


async def counted(row: str, size: int, most: int, empty: bool) -> Figures:
    """Count the queries of a row with so many canaries; `most` are grouped in one query."""
    metrics = Counting(empty=empty)
    values: dict[str, tuple[CheckResult, ...]] = {}
    async with asyncio.TaskGroup() as tasks:
        every = [
            tasks.create_task(running(it, NOW - BEGAN_WITHIN * (number * 0.618 % 1), values))
            for number, it in enumerate(measurements(row, size, metrics, Grouper(metrics, most=most)))
        ]
        await asyncio.sleep(WARMING.total_seconds())
        before = len(metrics.asked)
        await asyncio.sleep(COUNTED.total_seconds())
        asked = len(metrics.asked) - before
        for each in every:
            each.cancel()
    return Figures(queries=asked / (COUNTED / timedelta(minutes=1)), values=values)


def measured(row: str, size: int, *, most: int = EVALUATED) -> tuple[float, float]:
    """Return queries a minute one by one and grouped; of `most` canaries at most the checks have values.

    Raises ValueError when these differ.
    """
    found = []
    for together in (1, MOST):
        with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
            found.append(runner.run(counted(row, size, together, size > most)))
    single, grouped = found
    if shown(single.values) != shown(grouped.values):
        raise ValueError(f"{row}, {size} canaries: asked one by one and grouped the checks have other values")
    return single.queries, grouped.queries


def shown(values: Values) -> Mapping[str, Sequence[tuple[str, str, str]]]:
    """Return values that compare whatever order sums were taken in."""
    return {
        name: [(one.name, f"{one.value:.6g}", f"{one.requests:.6g}") for one in checks if one.value is not None]
        for name, checks in values.items()
    }


def line(row: str) -> str:
    """Return a row of the table."""
    return f"| {row} | {' | '.join(cells(row, size) for size in SIZES)} |"


def cells(row: str, size: int) -> str:
    """Return what the table says of so many canaries."""
    return " | ".join(f"{queries:,.0f}" for queries in measured(row, size))


def table() -> str:
    """Return the table as Markdown."""
    heads = " | ".join(f"{size} running, one by one | together" for size in SIZES)
    return "\n".join((f"| mesh | {heads} |", "|---" * (1 + 2 * len(SIZES)) + "|", *map(line, ROWS)))


def main(arguments: Sequence[str]) -> str:
    """Return the table, written into the page too when that is asked for."""
    told = table()
    if "--write" in arguments:
        page, found = PLACE.subn(lambda place: place[1] + told + place[2], PAGE.read_text(encoding="utf-8"))
        if found != 1:
            raise ValueError(f"{PAGE.name} has {found} places for the table; one is needed")
        PAGE.write_text(page, encoding="utf-8")
    return told
