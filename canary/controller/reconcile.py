"""One pass over one canary: observe, decide, write the status, act, tell.

The status is written by compare-and-swap before anything else moves, so whoever takes over after a crash knows what
was under way. Not its job: deciding (canary.rollout), what a write looks like (act), when a pass runs (queue).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from canary.controller.queue import Key
from canary.controller.tell import Teller
from canary.errors import Unavailable
from canary.ports import CANARY, Clock, Cluster, Manifest, Metrics
from canary.rollout.model import Timing
from meshes.contract import Mesh, ObjectRef

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a pass works with. `mesh_named` returns an adapter or raises ConfigError; `epoch` names this leadership."""

    cluster: Cluster
    metrics: Metrics
    clock: Clock
    teller: Teller
    timing: Timing
    mesh_named: Callable[[str], Mesh]
    epoch: str


class Reconciler:
    """Makes passes. Between passes it remembers only what saves work or guards writes, nothing that a rollout needs."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._written: dict[Key, Manifest] = {}
        self._epochs: dict[Key, str] = {}
        self._serial = itertools.count(1)

    async def __call__(self, key: Key) -> timedelta | None:
        """Make one pass; return when to look again without an event, None for never.

        Raises what the cluster raises (the queue tries again), after which nothing half-decided is remembered.
        """
        manifest = self._tools.cluster.get(ObjectRef(CANARY, *key))
        if manifest is None:
            self._written.pop(key, None)
            self._epochs.pop(key, None)
            return None
        with structlog.contextvars.bound_contextvars(namespace=key[0], canary=key[1]):
            try:
                return await self._pass(key, manifest)
            except Unavailable as failure:
                if failure.outcome_unknown:
                    self._epochs.pop(key, None)  # what is out there is not known: stamp before the next write
                raise
