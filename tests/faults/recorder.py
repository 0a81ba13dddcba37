"""A recorder in the data plane: who answered each request, held against who might by the status at that moment."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from canary.ports import CANARY, Watched
from canary.sandbox import shop
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.rig import Rig
from meshes.contract import ObjectRef
from tests.scenarios.invariants import weight_of

CANARY_REF = ObjectRef(CANARY, shop.NAMESPACE, shop.NAME)
PATIENCE_S = 180.0
LOST = "lost"
IN_FLIGHT_S = 8.0
"""So long after a decision a request may still be answered by whom it was sent to: until the proxy has the new weight,
which on a busy machine takes seconds, the drain, and a sample's interval."""


class Recorder:
    """Who may answer, by what the status said lately, and who did. `found` are the answers that nobody allowed, and
    the requests that nobody answered.

    `weight` is the route's; it may be ahead of the status that was seen.
    """

    def __init__(self, rig: Rig) -> None:
        self.found: list[str] = []
        self.status: dict[str, Any] = {}
        self.weight = 0
        self._changed = asyncio.Event()
        self._allowed: deque[tuple[float, frozenset[tuple[str, str]]]] = deque()
        self._rig = rig
        rig.cluster.subscribe(self._notice)

    @property
    def phase(self) -> str:
        return str(self.status.get("phase"))

    @property
    def stable(self) -> str:
        """The tag of what serves."""
        return _tag(self._known.get("stable"))

    @property
    def tested(self) -> str:
        """The tag of what is, or was last, under analysis."""
        return _tag(self._known.get("revision"))

    @property
    def _known(self) -> dict[str, Any]:
        return self.status.get("memory") or {}

    def _notice(self, event: Watched) -> None:
        if event.ref.kind == VIRTUAL_SERVICE:
            self.weight = weight_of(event.manifest, f"{shop.NAME}-canary") or 0
        elif event.ref == CANARY_REF:
            self.status = dict(event.manifest.get("status") or {})
            self._allow(self._may_answer())
        else:
            return
        self._changed.set()

    def _allow(self, who: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> None:
        self._allowed.append((asyncio.get_running_loop().time(), frozenset(who)))

    def excuse(self, tag: str) -> None:
        """Let pods of that tag answer for as long as what was decided before may: a PUT has dropped their hold."""
        self._allow([*self._may_answer(), (shop.NAME, tag)])
        self._allow(list(self._may_answer()))

    def excuse_losses(self) -> None:
        """Hold nobody to the requests that were lost until now: a PUT ended pods that carried traffic."""
        self.found = [each for each in self.found if not each.startswith(LOST)]

    def _may_answer(self) -> Iterator[tuple[str, str]]:
        """Yield workload and version of those that the status lets serve: the candidate only what is under analysis."""
        tested, primary = self.tested, f"{shop.NAME}-primary"
        yield primary, self.stable
        if self.phase in ("Promoting", "Finalizing", "RollingBack"):
            yield primary, tested  # it is being given to the primary, or taken away again
        if self.phase in ("None", "Initializing") or (self._known.get("memory") or {}).get("stage") == "rest":
            yield shop.NAME, shop.OLD.tag  # before the onboarding is over
        if self.status.get("weight"):
            yield shop.NAME, tested

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Compare each sample of the load with what was allowed lately, while the block runs."""
        task = asyncio.create_task(self._watch(), name="recorder")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        async for sample in self._rig.load.samples():
            since = asyncio.get_running_loop().time() - IN_FLIGHT_S
            while len(self._allowed) > 1 and self._allowed[1][0] < since:
                self._allowed.popleft()
            allowed = frozenset[tuple[str, str]]().union(*(each for _, each in self._allowed))
            if sample.lost:
                self.found.append(f"{LOST} {dict(sample.losses)} in {self.phase}: {self.status.get('message')}")
            for source, answers in sample.answers.items():
                if answers.requests and (source.workload, source.version) not in allowed:
                    self.found.append(
                        f"{answers.requests} requests reached {source.version} of {source.workload} in "
                        f"{self.phase}: {self.status.get('message')}"
                    )

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds, looking again whenever the Canary or its route has changed."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            where = f"{self.phase} at weight {self.weight}: {self.status.get('message')}"
            raise AssertionError(f"it did not hold within {PATIENCE_S:g} s; now {where}") from None


def _tag(revision: Any) -> str:
    return str((revision or {}).get("image", "")).rpartition(":")[2]
