"""Each adapter's built-in queries over what the pods of its mesh export: the real Prometheus, the sandbox's evaluator
and the load that was made tell the same numbers."""

from __future__ import annotations

import asyncio
import itertools
import math
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.app import mesh_named
from canary.clients.prometheus import Prometheus
from canary.clients.prometheus_http import PrometheusAccess
from canary.controller.grouping import increase
from canary.controller.measure import pods_of
from canary.sandbox.load import Load, LoadSettings
from canary.sandbox.node import NodeRuntime
from canary.sandbox.prometheus import metrics_server
from canary.sandbox.rig import WallClock
from canary.sandbox.scraper import Target
from meshes import registry
from meshes.contract import AppProtocol, Counters, Workload
from meshes.gateway_api import GatewayApi
from tests.meshes.gamma_objects import HTTP, ISTIO, answered
from tests.sandbox.dataplane import HOST, pod

SERVERS = (False, True) if shutil.which("prometheus") else (False,)
"""The sandbox's own evaluator, and the real Prometheus where it is on the PATH."""
SCRAPE = timedelta(seconds=1)
WITHIN_S = 30.0
GRPC = "calls"
RATES: Mapping[str, str] = {
    "checkout": "0.5",
    "checkout-primary": "0",
    "broken": "1",
    "idle": "0",
    GRPC: "0.5",
    f"{GRPC}-primary": "0",
    f"{GRPC}-broken": "1",
    f"{GRPC}-idle": "0",
}
"""The share of errors of each workload; nobody asks the idle ones anything, those called so are asked by gRPC."""
ROUTE = answered(GatewayApi().render(HTTP, 10, None), ISTIO)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the load got from a workload."""

    requests: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What Prometheus tells of a workload: None for no series."""

    total: float | None
    bad: float | None
    counted: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What answers queries, and the truth about each workload, from a moment before the first request on."""

    servers: tuple[Prometheus, ...]
    truth: Mapping[str, Truth]
    began: datetime


def named(workload: str, ip: str, **env: str) -> dict[str, Any]:
    """A pod as a ReplicaSet names it, with its port."""
    made = pod(workload, "22222", ip, **env)
    made["metadata"]["name"] = f"{workload}-22222-bcdfg"
    made["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 8080}]
    return made


def workload(name: str) -> Workload:
    return Workload(
        namespace="shop",
        deployment=name,
        service="checkout",
        pods=pods_of(name, ""),
        port=8080,
        protocol=AppProtocol.GRPC if name.startswith(GRPC) else AppProtocol.HTTP,
        port_name="http",
        pod_port=8080,
        route=ROUTE,
    )


@asynccontextmanager
async def measured(mesh: str) -> AsyncIterator[Measured]:
    """Run the pods, scrape them from before the first request on, and make load; yield what answers, and the truth."""
    async with AsyncExitStack() as parts:
        node = await parts.enter_async_context(NodeRuntime(mesh))
        for number, (name, rate) in enumerate(RATES.items(), start=1):
            await node.start(named(name, f"10.0.0.{number}", ERROR_RATE=rate))
        servers = []
        for real in SERVERS:
            scraped = metrics_server(lambda: targets(node), WallClock(), interval=SCRAPE, real=real)
            access = PrometheusAccess(url=(await parts.enter_async_context(scraped)).url)
            servers.append(await parts.enter_async_context(Prometheus(access)))
        began = datetime.now(UTC)
        for server in servers:
            await seen(server, 'count(up{pod=~".+"} == 1)', len(RATES))
        found = await asyncio.gather(*(asked(node, name) for name in RATES))
        yield Measured(servers=tuple(servers), truth=dict(zip(RATES, found, strict=True)), began=began)


def targets(node: NodeRuntime) -> list[Target]:
    return [
        Target(url=f"http://{host}:{port}/metrics", labels=node.labels(pod))
        for pod, (host, port) in node.targets().items()
    ]


async def seen(prometheus: Prometheus, promql: str, wanted: float) -> None:
    async with asyncio.timeout(WITHIN_S):
        while [one.value for one in await prometheus.query(promql, datetime.now(UTC))] != [wanted]:  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.2)


async def asked(node: NodeRuntime, name: str) -> Truth:
    address = node.address(f"{name}-22222-bcdfg")
    assert address is not None
    if "idle" in name:
        return Truth(0, 0)
    async with Load(address, HOST, LoadSettings(rate=60, grpc=name.startswith(GRPC))) as load:
        await asyncio.sleep(1.0)
        total = await load.finish()
    assert total.lost == 0
    return Truth(total.requests, total.failed)


async def told(prometheus: Prometheus, mesh: str, of: Workload, began: datetime) -> Told:
    """Ask as the controller does, over all the time since before the first request."""
    adapter, end = mesh_named(mesh), datetime.now(UTC)
    counters: Counters = adapter.requests(of)

    async def grown(selector: str) -> float | None:
        found = await prometheus.query(increase(selector, began - timedelta(seconds=5), end, ()), end)
        return found[0].value if found else None

    async def together(*selectors: str) -> float | None:
        found = [one for one in [await grown(selector) for selector in selectors] if one is not None]
        return math.fsum(found) if found else None

    bucket = adapter.latency(of).bucket
    whole = bucket.removesuffix("}") + ',le="+Inf"}'
    return Told(
        total=await together(counters.total, *counters.also_total),
        bad=await together(counters.bad, *counters.also_bad),
        counted=await grown(whole),
    )


@pytest.mark.parametrize("mesh", registry.names())
async def test_what_is_asked_is_what_was_answered(mesh: str) -> None:
    async with measured(mesh) as it:
        for server, (name, truth) in itertools.product(it.servers, it.truth.items()):
            requests = float(truth.requests) or None
            wanted = Told(total=requests, bad=float(truth.failed) or None, counted=requests)
            async with asyncio.timeout(WITHIN_S):
                while (found := await told(server, mesh, workload(name), it.began)) != wanted:
                    assert (found.total or 0) <= truth.requests, f"{name} counts too much: {found}, not {wanted}"
                    await asyncio.sleep(0.3)
        for name in ("checkout", GRPC):
            assert 0 < it.truth[name].failed < it.truth[name].requests
        for name in ("broken", f"{GRPC}-broken"):
            assert it.truth[name].failed == it.truth[name].requests > 0
