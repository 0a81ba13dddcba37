"""A recorder in the data plane: who answered each request, held against who might by the status at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from canary.ports import CANARY, Watched
from canary.sandbox import shop
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.load_counts import LoadSample
from canary.sandbox.rig import Rig
from meshes.contract import ObjectRef
from tests.scenarios.invariants import weight_of

CANARY_REF = ObjectRef(CANARY, shop.NAMESPACE, shop.NAME)
PATIENCE_S = 180.0
LOST = "lost"
IN_FLIGHT_S = 3.0
"""So long after the proxy works by a decision a request may still be answered by whom it was sent to: the request, a
sample's interval, and a machine that is slow to count them. The pods that may not answer any more are there for longer:
for the drain, and while they linger."""
ROUTE_S = 3.0
"""The route says what the status says within this time, or nobody is excused for its being late."""


@dataclass(slots=True)
class Allowed:
    """Who may answer (workload and tag), and until when on the loop's clock: None while that is not known."""

    who: frozenset[tuple[str, str]]
    until: float | None = None


class Recorder:
    """Who may answer, by what the status said lately, and who did. `found` are the answers that nobody allowed, and
    the requests that nobody answered.

    What was allowed before a decision is allowed until IN_FLIGHT_S after the proxy has what the decision made of
    routes and endpoints: `settled` returns when it works by all that was changed by then. On a busy machine that takes
    seconds. `weight` is the route's; it may be ahead of the status that was seen.
    """

    def __init__(
        self,
        cluster: InMemoryCluster,
        settled: Callable[[], Awaitable[None]],
        samples: Callable[[], AsyncIterator[LoadSample]],
    ) -> None:
        self.found: list[str] = []
        self.status: dict[str, Any] = {}
        self.weight = 0
        self._changed = asyncio.Event()
        self._decided = asyncio.Event()
        self._allowed: list[Allowed] = []
        self._excused: set[tuple[str, str]] = set()
        self._settled, self._samples = settled, samples
        cluster.subscribe(self._notice)

    @classmethod
    def of(cls, rig: Rig) -> Self:
        """Record in a rig."""
        return cls(rig.cluster, rig.envoy.settled, rig.load.samples)

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
            self._allow()
        else:
            return
        self._changed.set()

    def _allow(self) -> None:
        who = frozenset(self._may_answer())
        if not self._allowed or self._allowed[-1].who != who:
            self._allowed.append(Allowed(who))
            self._decided.set()

    def excuse(self, tag: str) -> None:
        """Let pods of that tag answer until `excuse_no_more`: a PUT has dropped their hold."""
        self._excused.add((shop.NAME, tag))
        self._allow()

    def excuse_no_more(self) -> None:
        """Hold all to what the status lets serve, as after any decision."""
        self._excused.clear()
        self._allow()

    def excuse_losses(self) -> None:
        """Hold nobody to the requests that were lost until now: a PUT ended pods that carried traffic."""
        self.found = [each for each in self.found if not each.startswith(LOST)]

    def _may_answer(self) -> Iterator[tuple[str, str]]:
        """Yield workload and version of those that the status lets serve: the candidate only what is under analysis."""
        tested, primary = self.tested, f"{shop.NAME}-primary"
        yield from self._excused
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
        task = asyncio.create_task(self._record(), name="recorder")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _record(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._watch())

    async def _follow(self) -> None:
        """After each decision, say until when what was allowed before it is allowed."""
        while True:
            await self._decided.wait()
            self._decided.clear()
            before = self._allowed[:-1]
            with suppress(TimeoutError):
                async with asyncio.timeout(ROUTE_S):
                    await self._said_by_the_route()
            await self._settled()
            until = asyncio.get_running_loop().time() + IN_FLIGHT_S
            for each in before:
                each.until = until if each.until is None else each.until

    async def _said_by_the_route(self) -> None:
        while self.weight != (self.status.get("weight") or 0):
            self._changed.clear()
            await self._changed.wait()

    async def _watch(self) -> None:
        async for sample in self._samples():
            now = asyncio.get_running_loop().time()
            self._allowed = [each for each in self._allowed if each.until is None or each.until > now]
            allowed = frozenset[tuple[str, str]]().union(*(each.who for each in self._allowed))
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
