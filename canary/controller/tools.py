"""What a pass works with: the ports, and what the loop keeps between passes. Not its job: any of the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from canary.controller.announcing import Announcer
from canary.controller.asking import Asker
from canary.controller.config import Configs
from canary.controller.due import Key
from canary.controller.echoes import Echoes
from canary.controller.grouping import Grouper
from canary.controller.haste import Haste
from canary.controller.queue import KeyQueue
from canary.controller.tell import Teller
from canary.controller.witness import Witness
from canary.ports import Clock, Cluster, Metrics
from canary.rollout.model import Timing
from meshes.contract import Mesh


class Turns:
    """Whose turn it is: what a pass may know of its queue. `passes` returns it; it is made after the tools."""

    def __init__(self, passes: Callable[[], KeyQueue]) -> None:
        self._passes = passes

    def wake(self, key: Key, haste: Haste) -> None:
        """Ask for a pass (KeyQueue.add)."""
        self._passes().add(key, haste)

    def busy(self) -> bool:
        """Return whether canaries wait for a pass."""
        return len(self._passes()) > 0

    async def give_way(self, key: Key, until: Haste = Haste.REST) -> bool:
        """Let the passes begin that wait and are in a hurry; return whether there were any (KeyQueue.give_way)."""
        return await self._passes().give_way(key, until)

    def is_outdated(self, key: Key) -> bool:
        """Return whether a pass that gave way had better end (KeyQueue.is_outdated)."""
        return self._passes().is_outdated(key)

    def does_not_count(self, key: Key) -> None:
        """Note that a pass was none that its canary waited for (KeyQueue.does_not_count)."""
        self._passes().does_not_count(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a pass works with. `mesh_named` returns an adapter or raises ConfigError; `epoch` names this leadership."""

    cluster: Cluster
    configs: Configs
    metrics: Metrics
    grouper: Grouper
    asker: Asker
    clock: Clock
    teller: Teller
    announcer: Announcer
    timing: Timing
    default_mesh: str
    mesh_named: Callable[[str], Mesh]
    epoch: str
    witness: Witness
    turns: Turns
    echoes: Echoes
