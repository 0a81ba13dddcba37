"""The sandbox put together: an embedded cluster with a node, a mesh's data plane, load, Prometheus, Slack, controller.

Everything runs on this machine, on free ports of 127.0.0.1, and ends with the `async with` block. Not its job: what is
shipped (story.py) and how it is shown (canary.cli).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from canary.app import Outside, control, mesh_named
from canary.clients.prometheus import Prometheus
from canary.clients.prometheus_http import PrometheusAccess
from canary.clients.slack import Slack
from canary.clients.slack_api import SlackSettings
from canary.ports import DEPLOYMENT, ENDPOINT_SLICE, NAMESPACE, Clock
from canary.sandbox import shop
from canary.sandbox.acceptance import Acceptance
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.envoy import Envoy, EnvoySettings
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.load import Load, LoadSettings
from canary.sandbox.node import NodeRuntime
from canary.sandbox.processes import end
from canary.sandbox.prometheus import metrics_server
from canary.sandbox.routing import routing
from canary.sandbox.scraper import Target
from canary.sandbox.slack import SlackStandIn, slack_stand_in
from canary.settings import Settings
from meshes.contract import AppProtocol, Manifest, ObjectRef, declared

SCRAPE = timedelta(seconds=1)
CHANNEL = "#deployments"
START_S = 30.0


class WallClock:
    """The API server's time of a cluster whose Prometheus runs on this machine's clock."""

    def now(self) -> datetime:
        """Return this machine's time."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RigSettings:
    """How the sandbox is run. `rate` is the load in requests a second; `real` as for `metrics_server`.

    `port` is where the controller answers probes, 0 for a free one. With `grpc` the shop and its clients speak gRPC.
    """

    mesh: str = "istio"
    grpc: bool = False
    rate: float = 200.0
    real_prometheus: bool | None = None
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """The running parts that a story needs."""

    mesh: str
    rate: float
    cluster: InMemoryCluster
    envoy: Envoy
    load: Load
    slack: SlackStandIn
    real_prometheus: bool


@asynccontextmanager
async def rig(wanted: RigSettings) -> AsyncIterator[Rig]:
    """Start all parts and the shop's first version under load; end them with the block, whatever happens in it.

    Raises ConfigError for a mesh without adapter and for parts that this machine lacks, CanaryError when a part does
    not start or ends too early.
    """
    mesh_named(wanted.mesh)
    clock = WallClock()
    async with AsyncExitStack() as parts:
        cluster = InMemoryCluster(clock=clock)
        parts.callback(cluster.close)
        node = await parts.enter_async_context(NodeRuntime(wanted.mesh))
        await parts.enter_async_context(Kubelet(cluster.client("kubelet"), node, clock))
        envoy = await parts.enter_async_context(_mesh(cluster, node, wanted.mesh, clock))
        slack = await parts.enter_async_context(slack_stand_in(channels=(CHANNEL,)))
        scraped = metrics_server(lambda: _targets(node), clock, interval=SCRAPE, real=wanted.real_prometheus)
        prometheus = await parts.enter_async_context(scraped)
        settings = _settings(wanted, prometheus.url, slack)
        outside = Outside(
            cluster=cluster,
            metrics=await parts.enter_async_context(Prometheus(PrometheusAccess(url=prometheus.url))),
            notifier=await parts.enter_async_context(Slack(_slack_settings(slack))),
            clock=clock,
        )
        controller = asyncio.create_task(control(outside, settings, epoch="demo"), name="controller")
        parts.push_async_callback(end, controller)
        await _shop_is_open(cluster, _service(wanted))
        address = await envoy.address(shop.NAMESPACE, shop.NAME, shop.PORT)
        host = f"{shop.NAME}.{shop.NAMESPACE}.svc.cluster.local"
        load = await parts.enter_async_context(Load(address, host, LoadSettings(rate=wanted.rate, grpc=wanted.grpc)))
        yield Rig(
            mesh=wanted.mesh,
            rate=wanted.rate,
            cluster=cluster,
            envoy=envoy,
            load=load,
            slack=slack,
            real_prometheus=prometheus.real,
        )


@asynccontextmanager
async def _mesh(cluster: InMemoryCluster, node: NodeRuntime, mesh: str, clock: Clock) -> AsyncIterator[Envoy]:
    """Run the mesh: its data plane, and what answers route objects."""
    _install(cluster, mesh)
    async with (
        Envoy(cluster.client("mesh"), node.address, EnvoySettings(mesh=mesh)) as envoy,
        Acceptance(cluster.client("mesh-controller"), mesh, clock),
    ):
        yield envoy


def _service(wanted: RigSettings) -> Manifest:
    speaks = AppProtocol.GRPC if wanted.grpc else AppProtocol.HTTP
    return shop.service(speaks.value, declared(mesh_named(wanted.mesh), speaks))


def _install(cluster: InMemoryCluster, mesh: str) -> None:
    """Make the objects that come with the mesh, and put the shop's namespace into it."""
    for manifest in routing(mesh).installed:
        cluster.apply(manifest)
    if joined := routing(mesh).joined:
        cluster.edit(
            ObjectRef(NAMESPACE, "", shop.NAMESPACE), {"metadata": {"labels": dict(joined)}}, manager="kubectl"
        )


def _settings(wanted: RigSettings, prometheus: str, slack: SlackStandIn) -> Settings:
    return Settings(
        mesh=wanted.mesh,
        prometheus_url=prometheus,
        scrape_interval=SCRAPE,
        settle=timedelta(seconds=1),
        drain=timedelta(seconds=2),
        slack_channel=CHANNEL,
        slack_api_url=slack.url,
    )


def _slack_settings(slack: SlackStandIn) -> SlackSettings:
    return SlackSettings(token=slack.token, channel=CHANNEL, api_url=slack.url)


def _targets(node: NodeRuntime) -> list[Target]:
    return [
        Target(url=f"http://{host}:{port}/metrics", labels=node.labels(pod))
        for pod, (host, port) in node.targets().items()
    ]


async def _shop_is_open(cluster: InMemoryCluster, service: Manifest) -> None:
    """Apply the first version without canary, and return once the Service lists all its pods as ready.

    The Deployment's own status is ahead of that: a load that began then would meet a data plane without endpoints.
    """
    cluster.apply(service)
    cluster.apply(shop.deployment(shop.OLD, {}))
    wanted = ObjectRef(DEPLOYMENT, shop.NAMESPACE, shop.NAME)
    cluster.edit(wanted, {"spec": {"replicas": shop.REPLICAS}}, manager="kubectl-scale")
    changed = asyncio.Event()
    cluster.subscribe(lambda _: changed.set())
    async with asyncio.timeout(START_S):
        while _listed(cluster) < shop.REPLICAS:
            changed.clear()
            await changed.wait()


def _listed(cluster: InMemoryCluster) -> int:
    """Return how many ready endpoints the shop's Service has."""
    labels = {"kubernetes.io/service-name": shop.NAME}
    slices = cluster.list(ENDPOINT_SLICE, shop.NAMESPACE, labels)
    return sum(bool(point["conditions"].get("ready")) for part in slices for point in part.get("endpoints") or ())
