"""Kills a controller once at each kind of effect that it has, as the API server is asked for it; another takes over.

A kind is a verb, a resource with its subresource, and which object of a canary it was (`update deployments/status
-primary`). Not its job: what is done to the canary meanwhile, which a life is (tests.faults.test_kills).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from canary.errors import Conflict, NotFound
from canary.ports import LEASE
from tests.api.audit import Request
from tests.api.harness import Harness
from tests.api.process import Process
from tests.api.proxy import Between, Cut

TARGET = "checkout"
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
    the next one at once is an administrator: how long it waits for that otherwise is another test's.
    """

    it: Harness
    moment: Moment
    kubeconfig: Path
    spared: frozenset[str] = frozenset()
    armed: bool = False
    killed_at: list[str] = field(default_factory=list)
    _heirs: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self) -> Process:
        return self.it.start(self.kubeconfig)

    def spare(self) -> None:
        """Kill no more."""
        self.armed = False

    def wants(self, asked: Request) -> bool:
        """Whether the controller is to be killed at this effect."""
        return self.armed and effect(asked) not in {*self.killed_at, *self.spared}

    def kill(self, asked: Request) -> None:
        """Kill the controller at this effect, and let another begin."""
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

    async def done(self, asked: Request) -> None:
        victim = self._victim(asked, Moment.UNTOLD)
        if victim is not None:
            victim.kill(asked)
            raise Cut

    async def answered(self, asked: Request) -> None:
        victim = self._victim(asked, Moment.TOLD)
        if victim is not None:
            victim.kill(asked)

    def _victim(self, asked: Request, moment: Moment) -> Victim | None:
        victim = self.victims.get(asked.namespace)
        if victim is None or victim.moment is not moment or not asked.writes or asked.code >= 400:
            return None
        return victim if victim.wants(asked) else None
