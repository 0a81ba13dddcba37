"""Foul weather by a seed: whatever may fail around the controller fails, alike each time for the same seed.

Not its job: what must hold meanwhile (tests.scenarios.invariants), and what the story is (stories).
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Any

from canary.errors import Conflict, Unavailable
from canary.sandbox.calls import Call, Verb
from canary.sandbox.client import Client
from tests.scenarios.stage import Stage


class Fault(StrEnum):
    """What may happen. The words are the columns of the table at the end of a run."""

    CONFLICT = "409"
    UNAVAILABLE = "429/5xx"
    LOST_ANSWER = "lost answer"
    SLOW = "slow"
    STALE = "stale watch"
    API_DOWN = "API down"
    PROMETHEUS_DOWN = "Prometheus down"
    NONSENSE = "NaN"
    KILLED = "killed"


LONGEST_S = 40.0
"""How long one spell of weather lasts at most: less than the patience of any rule that gives up."""


class Sky:
    """The weather over a stage. `faults` counts what happened."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.faults: Counter[Fault] = Counter()
        self._stage = stage
        self._dice = random.Random(seed)
        self._share = self._dice.choice((0.01, 0.05, 0.2))
        self._clear = False
        self._api_down = False
        self._nobody_works = False
        self._spared: frozenset[Fault] = frozenset()
        self._between = self._dice.choice((5.0, 20.0, 60.0))

    def prepare(self, client: Client) -> None:
        """Put a controller's client under this sky."""
        client.before, client.after = self._before, self._after

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let it rain until the block ends; then all is well again, and somebody works."""
        rain = asyncio.create_task(self._rain(), name="weather")
        try:
            yield
        finally:
            rain.cancel()
            with suppress(asyncio.CancelledError):
                await rain
            self._clear, self._api_down = True, False
            self._stage.metrics.down = self._stage.metrics.broken = False
            self._stage.client.release_events()
            if self._nobody_works:
                self._stage.start(prepare=self.prepare)

    async def _before(self, call: Call) -> None:
        if self._clear:
            return
        if self._api_down:
            raise Unavailable("the API server is down")
        if self._dice.random() >= self._share:
            return
        calls = (Fault.CONFLICT, Fault.UNAVAILABLE, Fault.SLOW)
        fault = self._dice.choice([each for each in calls if each not in self._spared])
        self.faults[fault] += 1
        if fault is Fault.SLOW:
            await asyncio.sleep(self._dice.uniform(0.1, 8))
        elif fault is Fault.CONFLICT and call.verb is not Verb.READ:
            raise Conflict(f"{call.ref} has been modified")
        else:
            raise Unavailable("429: too many requests")

    async def _after(self, call: Call) -> None:
        if not self._clear and call.verb is not Verb.READ and self._dice.random() < self._share:
            self.faults[Fault.LOST_ANSWER] += 1
            raise Unavailable(f"{call.ref}: the answer was lost", outcome_unknown=True)

    def never(self, *faults: Fault) -> None:
        """Spare the stage of these."""
        self._spared = frozenset(faults)

    async def _rain(self) -> None:
        spells: dict[Fault, Callable[[], Coroutine[Any, Any, None]]] = {
            Fault.STALE: self._stale,
            Fault.API_DOWN: self._no_api,
            Fault.PROMETHEUS_DOWN: self._no_prometheus,
            Fault.NONSENSE: self._nonsense,
            Fault.KILLED: self._kill,
        }
        while True:
            await asyncio.sleep(self._dice.uniform(0.1, self._between))
            fault = self._dice.choice([each for each in spells if each not in self._spared])
            self.faults[fault] += 1
            await spells[fault]()

    def _spell(self) -> float:
        return self._dice.uniform(0.5, LONGEST_S)

    async def _stale(self) -> None:
        client = self._stage.client
        client.hold_events()
        await asyncio.sleep(self._spell())
        client.release_events()

    async def _no_api(self) -> None:
        """No call is answered and no event comes, as while an API server is restarted."""
        client, self._api_down = self._stage.client, True
        client.hold_events()
        await asyncio.sleep(self._spell())
        self._api_down = False
        client.release_events()

    async def _no_prometheus(self) -> None:
        self._stage.metrics.down = True
        await asyncio.sleep(self._spell())
        self._stage.metrics.down = False

    async def _nonsense(self) -> None:
        self._stage.metrics.broken = True
        await asyncio.sleep(self._spell())
        self._stage.metrics.broken = False

    async def _kill(self) -> None:
        """End the controller as SIGKILL does; another one begins a moment later."""
        self._stage.controllers[-1].kill()
        self._nobody_works = True
        await asyncio.sleep(self._dice.uniform(0, 5))
        self._stage.start(prepare=self.prepare)
        self._nobody_works = False
