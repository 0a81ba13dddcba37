"""Something that applies the user's manifests every few seconds to a real API server, with all in them that the
controller shares: replicas, the Service's selector, the autoscaler's target. Argo CD applies client-side, Flux
server-side with force. Not its job: what becomes of a rollout then (the tests that play it).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from canary.errors import Conflict
from canary.rollout.conditions import CONTESTED
from meshes.contract import Manifest
from tests.api.audit import requests
from tests.api.harness import Harness
from tests.api.people import People
from tests.builders import autoscaler, service

EVERY_S = 3.0
OF_A_LIFE = 40
"""What the controller writes for a rollout itself, Events and stamps included, however long it takes."""

MOST_A_MINUTE = 150
"""What it may write beyond that in a minute of contest: each time that Git is applied is answered with a write of each
of three objects, and what follows from it."""


class Tool(StrEnum):
    """Who applies, by its field manager."""

    ARGO = "argocd-controller"
    FLUX = "kustomize-controller"


@dataclass(slots=True)
class Written:
    """What the controller wrote while a block ran: how often each resource, and for how long."""

    counts: Counter[str] = field(default_factory=Counter)
    minutes: float = 0.0

    def assert_bounded(self) -> None:
        """Fail if there was more than a life costs and its contest may. A rate would not do: most of the writes of a
        rollout that takes 13 s on a quick machine are the life's own, and they come at once.
        """
        most = OF_A_LIFE + MOST_A_MINUTE * self.minutes
        assert self.counts.total() <= most, (self.counts, self.minutes)


@contextmanager
def counting(it: Harness) -> Iterator[Written]:
    """Count what the controller writes in the namespace while the block runs, as the API server logged it."""
    written, before, began = Written(), _writes(it), time.monotonic()
    yield written
    written.counts = _writes(it) - before
    written.minutes = (time.monotonic() - began) / 60


def _writes(it: Harness) -> Counter[str]:
    asked = requests(it.plane.folder)
    return Counter(each.resource for each in asked if each.writes and each.namespace == it.namespace)


def manifests(it: Harness, tag: str, **annotations: str) -> list[Manifest]:
    """Everything of a shop in Git as it was before there were canaries, the Service last.

    1.20 refuses to apply a port without a protocol server-side, and its newest stable autoscaler knows no metrics.
    """
    pushed, apex = it.pushed(tag, replicas=3, **annotations), service(namespace=it.namespace)
    for ports in (apex["spec"]["ports"], *(one["ports"] for one in pushed["spec"]["template"]["spec"]["containers"])):
        for port in ports:
            port.setdefault("protocol", "TCP")
    scaler = autoscaler(least=2, namespace=it.namespace)
    del scaler["spec"]["metrics"]
    return [pushed, it.people.in_newest_version(scaler), apex]


async def apply(people: People, tool: Tool, git: list[Manifest]) -> None:
    """Apply all manifests once, as the tool does."""
    apply_one: Callable[[Manifest, str], Awaitable[Manifest]]
    apply_one = people.apply_from_git if tool is Tool.ARGO else people.apply_by_force
    for manifest in git:
        await apply_one(manifest, tool.value)


@asynccontextmanager
async def syncing(it: Harness, tool: Tool, git: list[Manifest], every: float = EVERY_S) -> AsyncIterator[None]:
    """Apply the manifests every so many seconds while the block runs."""

    async def sync() -> None:
        while True:
            with suppress(Conflict):  # tools try again
                await apply(it.people, tool, git)
            await asyncio.sleep(every)

    task = asyncio.create_task(sync(), name=tool.name)
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def contested(it: Harness) -> str:
    """The message of the condition, "" for none."""
    return next((one.message for one in it.status.conditions if one.type == CONTESTED), "")


def names(it: Harness, field_path: str, kind: str, by: str) -> bool:
    """Whether the condition names a field of an object, and who keeps setting it back."""
    return f"{field_path} of {kind} checkout is set back again and again by {by}" in contested(it)
