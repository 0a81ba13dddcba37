"""Kills a controller once at each kind of effect that it has, as the API server is asked for it; another takes over.

A kind is a verb, a resource with its subresource, and which object of a canary it was (`update deployments/status
-primary`). Not its job: what is done to the canary meanwhile, which a life is (tests.faults.test_kills).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from aiohttp import web

from canary.errors import Conflict, NotFound
from canary.ports import LEASE
from tests.api.audit import Request
from tests.api.harness import Harness
from tests.api.process import Process
from tests.api.proxy import Between, Cut

TARGET = "checkout"
DEAD_S = 0.5
"""Within this time of a kill what arrives was sent by the one that was killed: another needs longer to begin."""
NAMELESS = frozenset({"configmaps", "controllerrevisions", "events", "leases", "replicasets", "secrets"})
"""What has names that nobody can foretell, or one name only."""


class Moment(StrEnum):
    """When it is killed: the effect is there in both, and the controller knows of it or does not."""

    UNTOLD = "before its answer"
    TOLD = "after its answer"


def effect(asked: Request) -> str:
    """Name the kind of a write."""
    return f"{asked.verb} {asked.resource} {_which(asked)}".strip()


def _which(asked: Request) -> str:
    if asked.resource.partition("/")[0] in NAMELESS:
        return ""
    return asked.name.removeprefix(TARGET) or ("" if asked.verb == "create" else TARGET)


@dataclass(slots=True)
class Victim:
    """Controllers for one namespace, each killed at an effect of a kind that none was killed at before, while armed.

    `spared` are kinds that it is never killed at, `killed_at` those that it was, in order. What brings the lease to
    the next one at once is an administrator: how long it waits for that otherwise is another test's. `turn` is held by
    the one write that is under way: another would have its effect while its controller is killed at the first.
    """

    it: Harness
    moment: Moment
    kubeconfig: Path
    spared: frozenset[str] = frozenset()
    armed: bool = False
    killed_at: list[str] = field(default_factory=list)
    _dying_until: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _heirs: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self) -> Process:
        return self.it.start(self.kubeconfig)

    def spare(self) -> None:
        """Kill no more."""
        self.armed = False

    def wants(self, asked: Request) -> bool:
        """Whether the controller is to be killed at this effect."""
        return self.armed and effect(asked) not in {*self.killed_at, *self.spared}

    @property
    def dying(self) -> bool:
        """Whether the controller is about to be killed, or was a moment ago: no write of its may have an effect."""
        return time.monotonic() < self._dying_until

    def doom(self) -> None:
        """Let the controller have no further effect until it is killed."""
        self._dying_until = time.monotonic() + DEAD_S

    def kill(self, asked: Request) -> None:
        """Kill the controller at this effect, and let another begin."""
        self.doom()
        self.killed_at.append(effect(asked))
        self.it.processes[-1].kill()
        self.start()
        heir = asyncio.create_task(self._bequeath())
        self._heirs.add(heir)
        heir.add_done_callback(self._heirs.discard)

    async def _bequeath(self) -> None:
        try:
            await self.it.people.patch(
                self.it.ref(LEASE, "canary-controller"), {"spec": {"holderIdentity": ""}}, "heir"
            )
        except (NotFound, Conflict):
            return


class Killing(Between):
    """Tells the victim of the namespace of each write that the API server has done."""

    def __init__(self) -> None:
        self.victims: dict[str, Victim] = {}
        self._held: dict[int, asyncio.Lock] = {}

    async def instead(self, asked: Request) -> web.Response | None:
        victim = self.victims.get(asked.namespace)
        if victim is None or not asked.writes:
            return None
        await victim.turn.acquire()
        self._held[id(asked)] = victim.turn
        if victim.dying:
            raise Cut
        return None

    def over(self, asked: Request) -> None:
        if turn := self._held.pop(id(asked), None):
            turn.release()

    async def done(self, asked: Request) -> None:
        victim = self._victim(asked)
        if victim is None:
            return
        if victim.moment is Moment.TOLD:
            victim.doom()  # it may act upon its answer before it is killed
            return
        victim.kill(asked)
        raise Cut

    async def answered(self, asked: Request) -> None:
        victim = self._victim(asked)
        if victim is not None:
            victim.kill(asked)

    def _victim(self, asked: Request) -> Victim | None:
        victim = self.victims.get(asked.namespace)
        return victim if victim is not None and asked.writes and asked.code < 400 and victim.wants(asked) else None
