"""The composition root: the only place that builds clients, loads adapters and starts tasks."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import cache

import structlog

from canary.controller.queue import Key, KeyQueue, is_expected
from canary.controller.reconcile import Reconciler, Tools
from canary.controller.shim import Shim
from canary.controller.tell import Teller
from canary.controller.watch import Watch
from canary.errors import ConfigError
from canary.ports import Clock, Cluster, Metrics, Notifier
from canary.settings import Settings
from meshes import registry
from meshes.contract import Mesh

log = structlog.get_logger()


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


async def control(outside: Outside, settings: Settings, *, epoch: str) -> None:
    """Run the controller until cancelled. `epoch` names this leadership, unlike any before it, as a label value.

    Raises ConfigError when the mesh of the settings has no adapter.
    """
    mesh_named(settings.mesh)
    teller = Teller(outside.cluster, outside.notifier, outside.clock)
    tools = Tools(
        cluster=outside.cluster,
        metrics=outside.metrics,
        clock=outside.clock,
        teller=teller,
        timing=settings.timing,
        default_mesh=settings.mesh,
        mesh_named=mesh_named,
        epoch=epoch,
    )
    passes = KeyQueue(Reconciler(tools), on_failure=_failed, jitter=random.random)
    shims = KeyQueue(Shim(outside.cluster, teller), on_failure=_failed, jitter=random.random)
    Watch(outside.cluster, wake=passes.add, shim=shims.add).start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(passes.run(), name="passes")
        tasks.create_task(shims.run(), name="shims")


def _failed(key: Key, failure: Exception, again_in_s: float) -> None:
    log.warning(
        "pass_failed",
        namespace=key[0],
        canary=key[1],
        error=str(failure) or type(failure).__name__,
        again_in_s=round(again_in_s, 2),
        exc_info=None if is_expected(failure) else failure,
    )
