"""A runtime for tests: pods do nothing but become ready, crash and end at the times that their image says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from canary.sandbox.runtime import ImageUnpullable, PodCrashed
from meshes.contract import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class PodBehaviour:
    """How a pod behaves. Times are in seconds; None means never.

    `ready_after` counts from each start of its container, `crashes_after` too (before it is ready, if that is sooner),
    `dies_after` from its becoming ready. `stop_after` is how long it takes to end when told to.
    """

    ready_after: float | None = 1.0
    crashes_after: float | None = None
    dies_after: float | None = None
    stop_after: float = 1.0
    unpullable: bool = False


HEALTHY = PodBehaviour()
NEVER_READY = PodBehaviour(ready_after=None)
CRASHING = PodBehaviour(crashes_after=0.5)
UNPULLABLE = PodBehaviour(unpullable=True)


class SimulatedRuntime:
    """An `Attentive` runtime. `by_tag` gives the behaviour of images by their tag; other images are `usual`.

    `choose`, when set, is asked first and may answer None. Both may be changed while pods run; a pod keeps what it
    started with until its container is started again. `running` holds the names of pods that started and did not end.
    """

    def __init__(self, by_tag: Mapping[str, PodBehaviour] | None = None, usual: PodBehaviour = HEALTHY) -> None:
        self.by_tag = dict(by_tag or {})
        self.usual = usual
        self.choose: Callable[[Manifest], PodBehaviour | None] | None = None
        self.running: set[str] = set()
        self._killed: dict[str, asyncio.Event] = {}

    def behaviour(self, pod: Manifest) -> PodBehaviour:
        """Return how this pod behaves if it starts now."""
        chosen = self.choose(pod) if self.choose else None
        return chosen or self.by_tag.get(image_tag(pod), self.usual)

    def kill(self, pod: str) -> None:
        """End the container of a ready pod, by the pod's name, as an out-of-memory kill does."""
        self._killed[pod].set()

    async def start(self, pod: Manifest) -> None:
        name, does = pod["metadata"]["name"], self.behaviour(pod)
        if does.unpullable:
            raise ImageUnpullable(f"{name}: Back-off pulling image: tag {image_tag(pod)!r} not found")
        self.running.add(name)
        self._killed[name] = asyncio.Event()
        if does.crashes_after is not None and does.crashes_after <= (does.ready_after or does.crashes_after):
            await asyncio.sleep(does.crashes_after)
            raise PodCrashed(f"{name}: container exited with code 1")
        if does.ready_after is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(does.ready_after)

    async def ended(self, pod: Manifest) -> None:
        try:
            async with asyncio.timeout(self.behaviour(pod).dies_after):
                await self._killed[pod["metadata"]["name"]].wait()
        except TimeoutError:
            return

    async def stop(self, pod: Manifest) -> None:
        await asyncio.sleep(self.behaviour(pod).stop_after)
        self.running.discard(pod["metadata"]["name"])
        self._killed.pop(pod["metadata"]["name"], None)


def image_tag(pod: Manifest) -> str:
    """Return the tag of the pod's first image, "" when it has none."""
    image = str(pod["spec"]["containers"][0]["image"])
    return image.rpartition("/")[2].partition("@")[0].partition(":")[2]
