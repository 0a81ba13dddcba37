"""A node for a control plane that has none: binds each pod, runs it in a `Runtime`, and ends it as a kubelet does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

from canary.clients.kube import KubeCluster
from canary.errors import Conflict, NotFound, Unavailable
from canary.ports import POD, Change, Clock, Watched
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.runtime import Runtime
from meshes.contract import ObjectRef
from tests.api.installing import NODE
from tests.api.people import People

AGAIN_S = 0.2


class Node:
    """Runs the pods of one namespace while the block is open. `cluster` must keep pods whole."""

    def __init__(self, cluster: KubeCluster, people: People, runtime: Runtime, clock: Clock) -> None:
        self._cluster = cluster
        self._people = people
        self._kubelet = Kubelet(cluster, runtime, clock)
        self._work: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        self._cluster.subscribe(self._notice)
        self._kubelet.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._work.values():
            task.cancel()
        await asyncio.gather(*self._work.values(), return_exceptions=True)
        await self._kubelet.close()

    def evict(self, ref: ObjectRef) -> None:
        """End a pod as under pressure: it stays as an object, Failed. Raises `NotFound` when it is not there."""
        self._kubelet.evict(ref)

    def _notice(self, event: Watched) -> None:
        if event.ref.kind != POD or event.change is Change.DELETED:
            return
        metadata = event.manifest["metadata"]
        if "deletionTimestamp" not in metadata:
            if not event.manifest["spec"].get("nodeName"):
                self._once(("bind", metadata["uid"]), event.ref)
        elif not metadata.get("finalizers"):
            self._once(("end", metadata["uid"]), event.ref)

    def _once(self, what: tuple[str, str], ref: ObjectRef) -> None:
        if what not in self._work:
            self._work[what] = asyncio.create_task(self._until_done(what[0], ref))

    async def _until_done(self, verb: str, ref: ObjectRef) -> None:
        """Do it, again while the API server is away; a pod that is bound or gone already is done."""
        while True:
            with suppress(Conflict, NotFound):
                try:
                    await (self._people.bind(ref, NODE) if verb == "bind" else self._people.end(ref))
                except Unavailable:
                    await asyncio.sleep(AGAIN_S)
                    continue
            return
