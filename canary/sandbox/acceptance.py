"""The stand-in of a mesh's controller: answers routes in their status, as the mesh does.

What a mesh says of a route is its `Routing`'s matter (`answer`); what the proxies do with it is not the job of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Self

from canary.errors import Conflict, NotFound
from canary.ports import SERVICE, Clock, Cluster, Watched, ref_of
from canary.sandbox.processes import end
from canary.sandbox.routing import routing
from meshes.contract import Manifest


class Acceptance:
    """Writes the status of every route of one mesh, if it writes any. Use it with `async with`."""

    def __init__(self, cluster: Cluster, mesh: str, clock: Clock) -> None:
        self._cluster = cluster
        self._mesh = routing(mesh)
        self._clock = clock
        self._kinds = frozenset({SERVICE, *self._mesh.kinds})
        self._changed = asyncio.Event()
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self._mesh.answer is not None:
            task = asyncio.create_task(self._follow(), name="sandbox route status")
            self._resources.push_async_callback(end, task)
            self._cluster.subscribe(self._notice)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    def _notice(self, event: Watched) -> None:
        if event.ref.kind in self._kinds:
            self._changed.set()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await asyncio.sleep(0)  # what changes together is answered together
            for kind in self._mesh.kinds:
                for route in self._cluster.list(kind):
                    await self._say(route)

    async def _say(self, route: Manifest) -> None:
        if self._mesh.answer is None:
            return
        objects = [found for kind in self._kinds for found in self._cluster.list(kind)]
        wanted = self._mesh.answer(route, objects)
        if wanted is None or _told(wanted) == _told(route.get("status") or {}):
            return
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        parents = [
            {**one, "conditions": [{"lastTransitionTime": now, **condition} for condition in one["conditions"]]}
            for one in wanted["parents"]
        ]
        version = route["metadata"]["resourceVersion"]
        try:
            patch = {"status": {"parents": parents}}
            await self._cluster.patch(ref_of(route), patch, resource_version=version, subresource="status")
        except (Conflict, NotFound):
            self._changed.set()  # it changed meanwhile: its event is on the way


def _told(status: Mapping[str, Any]) -> list[Any]:
    """Return what a status says, without when."""
    return [
        {**one, "conditions": [{**condition, "lastTransitionTime": ""} for condition in one.get("conditions", ())]}
        for one in status.get("parents", ())
    ]
