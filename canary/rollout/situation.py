"""One pass as a value: plan, status, world and time, with what follows from them alone.

Every rule reads this and answers with a Decision. Which rule applies is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from canary.rollout.grid import on_grid
from canary.rollout.model import (
    Apex,
    Memory,
    Plan,
    Primary,
    Revision,
    Stage,
    Status,
    Target,
    Trouble,
    World,
)
from canary.rollout.phases import Phase
from canary.rollout.values import replace

VERSION = 1
"""The version of the status that this code writes."""

TARGET_PATIENCE = timedelta(minutes=10)
"""How long what serves is kept after the target is gone (ROLLOUT section 4)."""

WIDENINGS = 3
"""So many in a day, and somebody is told what to write in Git."""

HANDS_OFF = "TargetConflict"
"""The fault of a canary that lost its target to another one: nothing of it may be touched."""

LEFT_OUT = "PodsLeftOut"
"""What is no fault of this canary, and may be as people want it: told, and shown beside Ready, which stays true."""

TOLD_ONLY = frozenset({"InvalidSpec", "ConfigLost", LEFT_OUT})
"""Faults that are reported and hold nothing: the last good spec stays in force, a new revision mends lost config."""


def elapsed(since: datetime | None, now: datetime) -> timedelta | None:
    """Return the time since `since`, never negative; None when that never was."""
    return None if since is None else max(now - since, timedelta(0))


def remember(status: Status, **changes: Any) -> Status:
    """Return the status with fields of its memory changed."""
    return replace(status, memory=replace(status.memory, **changes))


def with_weight(status: Status, weight: int) -> Status:
    """Return the status with another weight; nothing that was measured at the old one counts any more."""
    if weight == status.weight:
        return status
    changed = replace(status, weight=weight, highest_weight=max(status.highest_weight, weight))
    return unsettled(changed)


def unsettled(status: Status) -> Status:
    """Return the status as if the present weight had yet to take effect: its time and its windows begin anew."""
    return remember(
        status,
        weight_at=None,
        effective_at=None,
        evaluated_at=None,
        passed_at=None,
        failed_at=None,
        no_data_since=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one pass knows. `began` is the phase in which it began: a pass ends what began before it, never more."""

    plan: Plan
    status: Status
    world: World
    now: datetime
    began: Phase | None = None

    @property
    def memory(self) -> Memory:
        """What is remembered beyond what people see."""
        return self.status.memory

    @property
    def phase(self) -> Phase | None:
        """Where the canary stands."""
        return self.status.phase

    @property
    def apex(self) -> Apex:
        """The Services that clients call."""
        return self.world.apex

    @property
    def primary(self) -> Primary | None:
        """The controller's Deployment."""
        return self.world.primary

    @property
    def target(self) -> Target:
        """The user's Deployment, or a stand-in at 0 replicas."""
        return self.world.target or Target(
            generation=0,
            revision=self.status.revision or self.status.stable or Revision(digest=""),
            replicas=0,
            paused=False,
            pods=0,
            other_pods=0,
            ready=0,
            settled=True,
            progress_deadline=timedelta(minutes=10),
            trouble=Trouble(),
        )

    @property
    def primary_replicas(self) -> int:
        """The size of the primary; what it was, as far as known, while there is none."""
        if self.primary is not None:
            return self.primary.replicas
        return self.memory.size or (self.world.autoscaler.floor if self.world.autoscaler else 0)

    @property
    def deadline(self) -> timedelta:
        """How long pods may take to become ready."""
        return self.plan.progress_deadline or self.target.progress_deadline

    @property
    def takeover_deadline(self) -> timedelta:
        """How long the next pod of the primary may take to become ready: it comes after minReadySeconds."""
        return self.deadline + (self.primary.min_ready if self.primary is not None else timedelta(0))

    @property
    def stable_key(self) -> str:
        """The key of what serves, "" before there is any."""
        return self.status.stable.key if self.status.stable else ""

    @property
    def tested_key(self) -> str:
        """The key of the revision under test or last tested, "" before the first."""
        return self.status.revision.key if self.status.revision else ""

    @property
    def drained(self) -> bool:
        """True when the weight is 0, accepted by the mesh, and the drain time is over."""
        return self.status.weight == 0 and self.passed(self.memory.weight_at, self.plan.timing.drain)

    @property
    def apex_safe(self) -> bool:
        """True when the apex reaches ready primary pods only, for as long as proxies take to learn it."""
        timing = self.plan.timing
        return self.passed(self.memory.narrowed_at, timing.settle + timing.drain)

    @property
    def primary_serves(self) -> bool:
        """True when the primary has ready pods."""
        return self.primary is not None and self.primary.ready > 0

    @property
    def primary_full(self) -> bool:
        """True when the primary is rolled out, all of its pods are ready, and there are some."""
        primary = self.primary
        return primary is not None and primary.rolled_out and 0 < primary.replicas <= primary.ready

    @property
    def primary_late(self) -> bool:
        """True when the primary that is being made was not ready within the deadline of pods."""
        return not self.primary_full and self.passed(self.memory.waiting_since, self.deadline)

    def passed(self, since: datetime | None, duration: timedelta) -> bool:
        """Return whether `duration` has passed since a moment that was."""
        past = elapsed(since, self.now)
        return past is not None and past >= duration

    def on(self, status: Status) -> Pass:
        """Return the same pass with another status."""
        return replace(self, status=status)

    def blocking_faults(self) -> str:
        """Return what observation found that keeps a rollout from starting or advancing, "" for nothing."""
        return "; ".join(fault.message for fault in self.world.faults if fault.reason not in TOLD_ONLY)


def track(it: Pass) -> Pass:
    """Return the pass with what its world shows remembered: the split read back, the apex, sizes and presence."""
    it = it.on(_begun_anew(it))
    status = _track_split(it)
    status = _track_apex(it.on(status))
    scaler, size = it.world.autoscaler, it.primary.replicas if it.primary else 0
    if scaler is not None and scaler.at_primary and size not in (0, status.memory.scaled):
        status = remember(status, scaled=size)
    gone_at = None if it.world.target else (it.memory.target_gone_at or it.now)
    if gone_at != it.memory.target_gone_at:
        status = remember(status, target_gone_at=gone_at)
    if it.memory.pending and it.world.command is None:
        status = remember(status, pending="")
    return it.on(status)


_WAITS = (
    "weight_at",
    "ready_at",
    "waiting_since",
    "unsteady_since",
    "recovering_since",
    "narrowed_at",
    "wide_since",
    "left_at",
    "target_gone_at",
)
"""When waits began that end something; those of evaluations go with the weight's. At rest all but one are over."""


def _begun_anew(it: Pass) -> Status:
    """Return the status with all waits begun anew that began before the clock jumped ahead.

    So none is cut short by that: no step ends on less than its time, no drain, and nothing that serves goes early.
    """
    memory, jumped = it.memory, it.world.jumped_at
    if jumped is None:
        return it.status
    waits = ("target_gone_at",) if memory.stage is Stage.REST else _WAITS
    old = {name: it.now for name in waits if (since := getattr(memory, name)) is not None and since < jumped}
    status = unsettled(it.status) if "weight_at" in old else it.status
    return remember(status, **old) if old else status


def _track_split(it: Pass) -> Status:
    split, status, memory = it.world.split, it.status, it.memory
    status = replace(status, observed_weight=split.weight)
    shown = split.weight == status.weight and split.accepted
    if not shown and not (status.weight == 0 and it.world.no_split):
        return status if memory.weight_at is None and memory.effective_at is None else unsettled(status)
    if memory.weight_at is None:
        status = remember(status, weight_at=it.now)
    weight_at = status.memory.weight_at
    if weight_at and memory.effective_at is None and it.passed(weight_at, it.plan.timing.settle):
        status = remember(status, effective_at=_in_effect(it.plan, weight_at + it.plan.timing.settle))
    return status


def _in_effect(plan: Plan, settled: datetime) -> datetime:
    """Return from when a weight counts as in effect: on the grid, so that windows of many canaries end together.

    By chance, the same at each look, it is a place later than need be: those that began together drift apart.
    """
    chance = blake2b(f"{plan.namespace}/{plan.name} {settled.isoformat()}".encode(), digest_size=1).digest()
    return on_grid(settled, plan.timing.scrape, later=chance[0] % 2)


def _track_apex(it: Pass) -> Status:
    memory, status = it.memory, it.status
    if it.apex.narrow and (it.apex.primary_only or it.apex.no_other):
        # Without a ready pod of the primary nobody is reached who should not be: it is not wide, and not safe either.
        narrowed_at = (memory.narrowed_at or it.now) if it.apex.primary_only else None
        if narrowed_at == memory.narrowed_at and memory.wide_since is None:
            return status
        if memory.wide_since is not None and status.weight > 0 and memory.weight_at is not None:
            status = remember(unsettled(status), weight_at=it.now)
        return remember(status, narrowed_at=narrowed_at, wide_since=None)
    under_analysis = it.phase in (Phase.PROGRESSING, Phase.PAUSED) and memory.wide_since is None
    if memory.narrowed_at is None and not under_analysis:
        return status
    if not it.apex.narrow and it.phase is not Phase.INITIALIZING and not it.world.leaving:
        day = tuple(moment for moment in memory.widened if it.now - moment < timedelta(days=1))
        status = remember(status, widened=(*day, it.now)[-WIDENINGS:])
    return remember(status, narrowed_at=None, wide_since=memory.wide_since or it.now)
