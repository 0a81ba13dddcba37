"""Follows objects of one namespace by watches, for commands that wait or show what happens as it happens.

A server that is away, drops a watch or forgets its past is come back to; what is known stays until then. Not its job:
what the objects mean.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canary.cli.canaries import Canaries
from canary.cli.options import Where
from canary.clients.discovery import Resource
from canary.clients.kube_cache import Cache, Reflector
from canary.clients.kube_context import default_namespace
from canary.clients.kube_http import KubeHttp, connect
from canary.logs import LogFormat, set_up
from canary.ports import CANARY, DEPLOYMENT, EVENT, POD
from canary.spec.crd import PLURAL, VERSION
from meshes.contract import Kind, Manifest, ObjectRef

_RESOURCES = {
    CANARY: Resource(kind=CANARY, plural=PLURAL, namespaced=True, versions=(VERSION,)),
    DEPLOYMENT: Resource(kind=DEPLOYMENT, plural="deployments", namespaced=True, versions=("v1",)),
    POD: Resource(kind=POD, plural="pods", namespaced=True, versions=("v1",)),
    EVENT: Resource(kind=EVENT, plural="events", namespaced=True, versions=("v1",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which objects to follow: a kind, and a field selector, "" for all of the namespace."""

    kind: Kind
    of: str = ""


def named(kind: Kind, name: str) -> Wanted:
    """Return the one object of that name."""
    return Wanted(kind=kind, of=f"metadata.name={name}")


class Followed:
    """The objects as they are; make it with `following`. `canaries` sends single requests to the same server."""

    def __init__(self, http: KubeHttp, namespace: str, wanted: Iterable[Wanted]) -> None:
        self.namespace = namespace
        self.canaries = Canaries(http, namespace)
        self._clock = http.clock
        self._cache = Cache(keep=_whole)
        self._changed = asyncio.Event()
        self._cache.subscribe(lambda _: self._changed.set())
        self.reflectors = [Reflector(http, self._cache, _RESOURCES[one.kind], namespace, one.of) for one in wanted]

    def now(self) -> datetime:
        """Return the API server's time."""
        return self._clock.now()

    @property
    def trouble(self) -> str:
        """Why what is shown may be old, "" when all watches go on."""
        return next((one.failure for one in self.reflectors if one.failure), "")

    def get(self, kind: Kind, name: str) -> Manifest | None:
        """Return an object, None when there is none."""
        return self._cache.get(ObjectRef(kind, self.namespace, name))

    def listed(self, kind: Kind, labels: Mapping[str, str] | None = None) -> list[Manifest]:
        """Return the objects of a kind that carry all of `labels`."""
        return self._cache.listed(kind, self.namespace, labels or {})

    async def changed(self, within_s: float | None = None) -> None:
        """Return once something changed since the last call, or after `within_s` seconds."""
        try:
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()


@asynccontextmanager
async def following(where: Where, wanted: Iterable[Wanted]) -> AsyncIterator[Followed]:
    """Follow objects until the block ends; it begins once all of them were read.

    Raises ConfigError when there is no kubeconfig that can be used, Rejected when the cluster serves no Canary or the
    rights are missing, Unavailable when it does not answer at the start.
    """
    set_up(LogFormat.CONSOLE, level=logging.CRITICAL)
    namespace = where.namespace or default_namespace(where.kubeconfig, where.context)
    http = await connect(where.kubeconfig, where.context)
    try:
        followed = Followed(http, namespace, wanted)
        await followed.canaries.listed()  # what is wrong at the start is told with its remedy, not tried for ever
        async with _running(followed.reflectors):
            yield followed
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group  # of the one who follows: a watch is tried for ever
    finally:
        await http.close()


@asynccontextmanager
async def _running(reflectors: Iterable[Reflector]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one.run()) for one in reflectors]
        try:
            for one in reflectors:
                await one.filled.wait()
            yield
        finally:
            for task in running:
                task.cancel()


def _whole(kind: Kind, manifest: dict[str, Any]) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    return {**manifest, "metadata": metadata}
