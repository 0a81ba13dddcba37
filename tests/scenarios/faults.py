"""What goes wrong with a controller process: it is killed after a write, it freezes before one, its calls fail."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from canary.errors import Conflict, Unavailable
from canary.ports import EVENT
from canary.sandbox.calls import Call, Verb
from canary.sandbox.client import Client
from tests.scenarios.stage import Stage


class Crashes:
    """Kills the newest controller right after its `every`th write and starts another, `times` times."""

    def __init__(self, stage: Stage, every: int, times: int = 1) -> None:
        self._stage, self._every, self._left = stage, every, times
        self.writes = 0
        self.killed = 0
        self.plague(stage.client)

    def plague(self, client: Client) -> None:
        self.writes = 0
        client.after = self._after

    async def _after(self, call: Call) -> None:
        if call.verb is Verb.READ:
            return
        self.writes += 1
        if self.writes < self._every or self.killed == self._left:
            return
        self.killed += 1
        self._stage.controllers[-1].kill()
        self._stage.client.before = _hang
        self._stage.client.after = _hang
        self._stage.start(prepare=self.plague)
        await asyncio.Event().wait()


async def _hang(_: Call) -> None:
    await asyncio.Event().wait()


class Freeze:
    """Lets the newest controller freeze right before its `number`th write; Events are not counted."""

    def __init__(self, stage: Stage, number: int) -> None:
        self.frozen = asyncio.Event()
        self.call: Call | None = None
        self._controller = stage.controllers[-1]
        self._number = number
        self._writes = 0
        self._thaw = asyncio.Event()
        self._controller.client.before = self._before

    async def thaw(self) -> None:
        """Let the late write go out, with all that this controller knew when it froze, and end it after that."""
        self._thaw.set()
        for _ in range(5):
            await asyncio.sleep(0)
        self._controller.kill()

    async def _before(self, call: Call) -> None:
        if call.verb is Verb.READ or call.ref.kind == EVENT:
            return
        self._writes += 1
        if self._writes == self._number:
            self.call = call
            self._controller.client.hold_events()
            self.frozen.set()
            await self._thaw.wait()
        elif self._writes > self._number:
            await asyncio.Event().wait()


class OneConflict:
    """Lets somebody be faster once: the controller's `number`th write meets a conflict. Events are not counted."""

    def __init__(self, stage: Stage, number: int) -> None:
        self.met: Call | None = None
        self._number = number
        stage.client.before = self._before

    def _before(self, call: Call) -> None:
        if call.verb is Verb.READ or call.ref.kind == EVENT:
            return
        self._number -= 1
        if self._number == 0:
            self.met = call
            raise Conflict(f"{call.ref} has been modified")


def weather(seed: int, share: float) -> Callable[[Client], None]:
    """Return what makes a share of a client's calls fail, before or after their effect, always alike for a seed."""
    dice = random.Random(seed)

    def before(call: Call) -> None:
        if dice.random() < share:
            raise Conflict(f"{call.ref} has been modified") if dice.random() < 0.5 else Unavailable("no answer")

    def after(call: Call) -> None:
        if call.verb is not Verb.READ and dice.random() < share:
            raise Unavailable(f"{call.ref}: the answer was lost", outcome_unknown=True)

    def prepare(client: Client) -> None:
        client.before, client.after = before, after

    return prepare
