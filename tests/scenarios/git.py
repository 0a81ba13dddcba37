"""What applies the user's manifests again and again, as Argo CD and Flux do, and what the controller does about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from canary.sandbox.calls import Verb
from meshes.contract import Manifest
from tests.builders import service
from tests.scenarios.stage import Stage

NARROW = {"app": "checkout", "canary.delivery/role": "primary", "canary.delivery/target": "checkout"}
MINUTES = 10


@asynccontextmanager
async def again_and_again(sync: Callable[[], object], every: float = 5.0) -> AsyncIterator[None]:
    """Call `sync` every so many seconds while the block runs."""

    async def syncing() -> None:
        while True:
            sync()
            await asyncio.sleep(every)

    task = asyncio.create_task(syncing(), name="gitops")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def argo(stage: Stage, *manifests: Manifest, every: float = 5.0) -> AbstractAsyncContextManager[None]:
    """Apply the manifests as Argo CD does."""

    def sync() -> None:
        for manifest in manifests:
            stage.cluster.apply(manifest, "argocd-controller")

    return again_and_again(sync, every)


def flux(stage: Stage, *manifests: Manifest, every: float = 5.0) -> AbstractAsyncContextManager[None]:
    """Apply the manifests, and a Service `checkout` with the selector of before, as Flux does."""

    def sync() -> None:
        for manifest in (*manifests, service()):
            stage.cluster.apply_by_force(manifest, "kustomize-controller")

    return again_and_again(sync, every)


def writes_of(stage: Stage) -> dict[str, int]:
    """How often the controller wrote each kind, Events included."""
    found: dict[str, int] = {}
    for (verb, kind), count in stage.client.requests.counts.items():
        if verb is not Verb.READ:
            found[kind.kind] = found.get(kind.kind, 0) + count
    return found


def texts(stage: Stage, reason: str) -> list[str]:
    """What was told for a reason."""
    return [note.text for note in stage.told.notes if note.reason == reason]
