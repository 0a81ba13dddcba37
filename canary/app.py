"""The composition root: the only place that builds clients, loads adapters and starts tasks."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import structlog
from pydantic import SecretStr

from canary.clients.kube import kube_cluster
from canary.clients.kube_http import connect
from canary.clients.prometheus import Prometheus
from canary.clients.prometheus_http import PrometheusAccess
from canary.clients.scope import Scope
from canary.clients.slack import LogNotifier, Slack, SlackSummary
from canary.clients.slack_api import SlackSettings
from canary.controller import scalers
from canary.controller.announcing import Announcer
from canary.controller.asking import Asker
from canary.controller.config import Configs
from canary.controller.due import Key
from canary.controller.echoes import Echoes
from canary.controller.grouping import Grouper
from canary.controller.leader import Elector, Guarded
from canary.controller.queue import Handler, KeyQueue, is_expected
from canary.controller.reconcile import Reconciler
from canary.controller.shim import Shim
from canary.controller.tell import Teller
from canary.controller.tools import Tools, Turns
from canary.controller.watch import Routing, Watch
from canary.controller.witness import timed
from canary.errors import CanaryError, ConfigError, Unavailable
from canary.ports import (
    CANARY,
    CLAIM,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SERVICE,
    Clock,
    Cluster,
    Metrics,
    Notifier,
)
from canary.probes import Answer, Page, probes
from canary.settings import Settings
from canary.telemetry.telemetry import Messages, Standing, Telemetry
from meshes import registry
from meshes.contract import Claiming, Kind, Manifest, Mesh, claiming

log = structlog.get_logger()

LEASE_NAME = "canary-controller"
LAST_WORDS_S = 5.0
"""How long the end of the controller waits for people to be told what happened."""

KINDS = (
    CANARY,
    CLAIM,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SERVICE,
    *scalers.KINDS,
)
"""What is watched besides the routes of the meshes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The outside world behind its ports: the real one of `canary run`, or a sandbox."""

    cluster: Cluster
    metrics: Metrics
    notifier: Notifier
    clock: Clock


@cache
def mesh_named(name: str) -> Mesh:
    """Return the adapter of that name. Raises ConfigError when there is none, or when it cannot be loaded."""
    try:
        return registry.load(name)
    except (registry.UnknownMesh, registry.BrokenAdapter) as error:
        raise ConfigError(str(error)) from error


async def control(outside: Outside, settings: Settings, *, epoch: str, telemetry: Telemetry | None = None) -> None:
    """Run the controller until cancelled. `epoch` names this leadership, unlike any before it, as a label value.

    `telemetry` is told what happens. Raises ConfigError when the mesh of the settings has no adapter.
    """
    telemetry = telemetry or Telemetry()
    teller = Teller(outside.cluster, outside.notifier, outside.clock)
    turns = Turns(lambda: passes)  # by name: all are there by then
    asker = Asker(start=lambda key: asks.add(key), wake=turns.wake)
    asks = _queue("asks", asker, telemetry)
    announcer = Announcer(teller, start=lambda key: tells.add(key))
    echoes = Echoes(wake=turns.wake)
    tools = Tools(
        cluster=outside.cluster,
        configs=Configs(outside.cluster),
        metrics=outside.metrics,
        grouper=Grouper(outside.metrics),
        asker=asker,
        clock=outside.clock,
        teller=teller,
        announcer=announcer,
        timing=settings.timing,
        default_mesh=mesh_named(settings.mesh).name,
        mesh_named=mesh_named,
        epoch=epoch,
        witness=telemetry,
        turns=turns,
        echoes=echoes,
    )
    passes = _queue("passes", Reconciler(tools), telemetry)
    tells = _queue("tells", announcer, telemetry, after=passes)
    shims = _queue("shims", Shim(outside.cluster, teller), telemetry)
    outside.notifier.listen(lambda namespace, name: passes.add((namespace, name)))
    Watch(outside.cluster, echoes=echoes, shim=shims.add, concerned=tools.configs.concerned, routing=_routing()).start()
    queues = {"passes": passes, "shims": shims, "asks": asks, "tells": tells}
    with telemetry.leading(queues):
        async with asyncio.TaskGroup() as tasks:
            for name, queue in queues.items():
                tasks.create_task(queue.run(), name=name)
            await _until_the_end(outside.notifier, announcer)


def _routing() -> Routing:
    """Return what tells whose requests an object routes, of each kind that all of its adapters can tell it of."""
    adapters: dict[Kind, list[Mesh]] = {}
    for mesh in map(mesh_named, registry.names()):
        for kind in mesh.kinds():
            adapters.setdefault(kind, []).append(mesh)
    able = {kind: [one for one in map(claiming, known) if one is not None] for kind, known in adapters.items()}
    return {kind: partial(_services, those) for kind, those in able.items() if len(those) == len(adapters[kind])}


def _services(meshes: Sequence[Claiming], manifest: Manifest) -> Collection[str]:
    return {name for mesh in meshes for name in mesh.services(manifest)}


def _queue(name: str, handle: Handler, telemetry: Telemetry, after: KeyQueue | None = None) -> KeyQueue:
    handler = timed(handle, partial(telemetry.passed, name))
    return KeyQueue(handler, on_failure=_failed, jitter=random.random, after=after)


async def _until_the_end(notifier: Notifier, announcer: Announcer) -> None:
    """Wait to be cancelled; then have what waits told and written down, for a bounded time: passes still run."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await announcer.idle()
                await notifier.idle()
        raise


async def serve(settings: Settings, *, kubeconfig: Path | None, context: str | None) -> None:
    """Run the controller of a cluster until cancelled: probes at once, the work while the lease is ours.

    Raises ConfigError for what must be set otherwise, CanaryError when the lease is lost or the cluster lacks the CRD.
    """
    routes = frozenset(kind for name in registry.names() for kind in mesh_named(name).kinds())
    scope = Scope(namespaces=settings.namespaces, routes=routes, route_namespaces=settings.route_namespaces)
    mesh_named(settings.mesh)
    telemetry = Telemetry()
    telemetry.look_at_tasks(lambda: len(asyncio.all_tasks()))
    state = _State(telemetry)
    async with AsyncExitStack() as parts:
        prometheus = await parts.enter_async_context(_prometheus(settings, telemetry))
        port = await parts.enter_async_context(probes(settings.metrics_port, state.pages()))
        log.info("probes_served", port=port)
        notifier = await _notifier(settings, parts, telemetry)
        http = await connect(kubeconfig, context, on_request=telemetry.requested)
        parts.push_async_callback(http.close)
        await _look_at_prometheus(prometheus)
        cluster = await parts.enter_async_context(kube_cluster(http, {*KINDS, *routes}, scope))
        state.filled = True
        if not settings.leader_elect:
            outside = Outside(cluster=cluster, metrics=prometheus, notifier=notifier, clock=http.clock)
            state.leads = True
            telemetry.look_at_lease(lambda: Standing(leads=True))
            await control(outside, settings, epoch=secrets.token_hex(4), telemetry=telemetry)
            return
        elector = Elector(cluster, http.clock, lease=(settings.lease_namespace, LEASE_NAME), identity=_identity())
        telemetry.look_at_lease(lambda: _standing(elector))
        guarded = Guarded(cluster, elector.holds)
        outside = Outside(cluster=guarded, metrics=prometheus, notifier=notifier, clock=http.clock)

        async def lead(epoch: str) -> None:
            state.leads = True
            await control(outside, settings, epoch=epoch, telemetry=telemetry)

        await elector.lead(lead)
        raise CanaryError(f"the lease {settings.lease_namespace}/{LEASE_NAME} was lost; ending, to be started anew")


@dataclass(slots=True)
class _State:
    """What the probes tell."""

    telemetry: Telemetry
    filled: bool = False
    leads: bool = False

    def pages(self) -> Mapping[str, Page]:
        return {
            "/healthz": lambda: Answer(True, "ok\n"),
            "/readyz": self._ready,
            "/metrics": self.telemetry.page,
        }

    def _ready(self) -> Answer:
        if not self.filled:
            return Answer(False, "the caches are being filled\n")
        return Answer(True, "leader\n" if self.leads else "standby\n")


def _standing(elector: Elector) -> Standing:
    return Standing(leads=elector.holds(), age_s=elector.lease_age_s, transitions=elector.transitions or None)


def _prometheus(settings: Settings, telemetry: Telemetry) -> Prometheus:
    return Prometheus(_access(settings), on_request=telemetry.requested)


def _open(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


def _access(settings: Settings) -> PrometheusAccess:
    return PrometheusAccess(
        url=settings.prometheus_url,
        token_file=settings.prometheus_token_file,
        ca_file=settings.prometheus_ca_file,
        user=_open(settings.prometheus_user),
        password=_open(settings.prometheus_password),
        password_file=settings.prometheus_password_file,
    )


async def _look_at_prometheus(prometheus: Prometheus) -> None:
    """Say so when Prometheus does not answer. Rollouts then hold, and pods that crash are still rolled back."""
    try:
        await prometheus.check()
    except Unavailable as error:
        log.warning("prometheus_not_reached", error=str(error))


async def _notifier(settings: Settings, parts: AsyncExitStack, telemetry: Telemetry) -> Notifier:
    if settings.slack_bot_token is None and settings.slack_webhook_url is None:
        return LogNotifier()
    slack = SlackSettings(
        token=_open(settings.slack_bot_token),
        webhook_url=_open(settings.slack_webhook_url),
        channel=settings.slack_channel,
        mention=settings.slack_mention,
        api_url=settings.slack_api_url,
    )
    notifier = await parts.enter_async_context(Slack(slack, on_request=telemetry.requested))
    telemetry.look_at_messages(lambda: _messages(notifier.summary))
    return notifier


def _messages(summary: SlackSummary) -> Messages:
    return Messages(waiting=summary.waiting, sent=summary.sent, refused=summary.refused, dropped=summary.dropped)


def _identity() -> str:
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"


def _failed(key: Key, failure: Exception, again_in_s: float) -> None:
    log.warning(
        "pass_failed",
        namespace=key[0],
        canary=key[1],
        error=str(failure) or type(failure).__name__,
        again_in_s=round(again_in_s, 2),
        exc_info=None if is_expected(failure) else failure,
    )
