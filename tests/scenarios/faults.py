"""What goes wrong with a controller process: it is killed after a write, it freezes before one, its calls fail."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from canary.errors import Conflict, Unavailable
from canary.ports import EVENT
from canary.sandbox.calls import Call, Verb
from canary.sandbox.client import Client
from tests.scenarios.branches import Branches
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
        _kill_newest(self._stage)
        self._stage.start(prepare=self.plague)
        await asyncio.Event().wait()


class CrashInEach:
    """In a branch each, kills the controller right after one of its first writes and starts another.

    `writes` are the numbers of those after which it is killed. Where there is no branch, nobody is killed.
    """

    def __init__(self, stage: Stage, branches: Branches, writes: range) -> None:
        self._stage, self._branches, self._left = stage, branches, list(writes)
        self._writes = 0
        self.killed = 0
        stage.client.after = self._after

    def assert_all(self) -> None:
        """Hold a branch to one crash, and the test itself to all that were asked for."""
        assert self.killed == (1 if self._branches.in_branch else 0)
        assert self._branches.in_branch or self._left == [], f"the last write was number {self._writes}"

    async def _after(self, call: Call) -> None:
        if call.verb is Verb.READ:
            return
        self._writes += 1
        if self._writes not in self._left:
            return
        self._left.remove(self._writes)
        if self._branches.begin(f"killed after write {self._writes}, {call}"):
            self.killed += 1
            _kill_newest(self._stage)
            self._stage.start()
            await asyncio.Event().wait()


def _kill_newest(stage: Stage) -> None:
    stage.controllers[-1].kill()
    stage.client.before = stage.client.after = _hang


async def _hang(_: Call) -> None:
    await asyncio.Event().wait()


class FreezeInEach:
    """In a branch each, lets the newest controller freeze right before one of its writes; Events are not counted."""

    def __init__(self, stage: Stage, branches: Branches) -> None:
        self.frozen = asyncio.Event()
        self.call: Call | None = None
        self._controller = stage.controllers[-1]
        self._branches = branches
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
        if self.call is not None:
            await asyncio.Event().wait()
        elif self._branches.begin(f"frozen before write {len(self._branches.points) + 1}, {call}"):
            self.call = call
            self._controller.client.hold_events()
            self.frozen.set()
            await self._thaw.wait()


class ConflictInEach:
    """In a branch each, lets somebody be faster once: one of the controller's first writes meets a conflict.

    `writes` are the numbers of those that do; Events are not counted. `met` is the call that did.
    """

    def __init__(self, stage: Stage, branches: Branches, writes: range) -> None:
        self.met: Call | None = None
        self._branches, self._left = branches, list(writes)
        self._writes = 0
        stage.client.before = self._before

    def assert_all(self) -> None:
        """Hold a branch to one conflict, and the test itself to all that were asked for."""
        assert (self.met is not None) == self._branches.in_branch
        assert self._branches.in_branch or self._left == [], f"the last write was number {self._writes}"

    def _before(self, call: Call) -> None:
        if call.verb is Verb.READ or call.ref.kind == EVENT:
            return
        self._writes += 1
        if self._writes not in self._left:
            return
        self._left.remove(self._writes)
        if self._branches.begin(f"a conflict at write {self._writes}, {call}"):
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
