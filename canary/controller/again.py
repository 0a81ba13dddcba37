"""When a pass is to be followed by another one, beside what the rules say of time, and when it lets others go first.

Pure.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import timedelta

from canary.controller.drift import Drift
from canary.controller.observe import Observation
from canary.rollout.model import Decision, Stage, Status
from canary.rollout.phases import Phase
from canary.rollout.questions import questions
from canary.rollout.situation import Pass

AT_LATEST = timedelta(minutes=5)
"""How long a canary that is not at rest goes without a look. The caches answer it: no request comes of it."""


def until_calm(drift: Drift, seen: Observation) -> timedelta | None:
    """Return when a contested object may be put back; at once for one that the status does not tell of yet."""
    told = {fault.message for fault in seen.world.faults}
    if any(fault.message not in told for fault in drift.faults()):
        return timedelta(0)
    return drift.calm_in()


def earlier(*waits: timedelta | None) -> timedelta | None:
    """Return the shortest of some waits; None is for ever."""
    return min((wait for wait in waits if wait is not None), default=None)


def at_latest(status: Status) -> timedelta | None:
    """Return when to look again whatever is waited for: nothing that goes on may hang for an event that was missed."""
    return None if status.phase is None or status.phase.at_rest else AT_LATEST


def only_tells(before: Status, decision: Decision, seen: Observation) -> bool:
    """Return whether a pass moves no traffic and begins or ends nothing, so that it may wait for those that do.

    What it writes by is then some seconds old; each write still meets a conflict where an object changed meanwhile.
    """
    after, split = decision.status, seen.world.split.weight
    same = (after.phase, after.weight, after.revision) == (before.phase, before.weight, before.revision)
    return same and decision.weight in (None, split) and seen.world.apex.narrow


def would_find_nothing(before: Status, decision: Decision, it: Pass) -> bool:
    """Return whether a pass over the new status, that of `it`, would see the same world, ask nothing and do nothing.

    Not while anything is at fault: some faults are over once they were told.
    """
    if not decision.final or it.world.faults or looks_at(before) != looks_at(it.status):
        return False
    return not questions(it.plan, it.status, it.world, it.now)


def looks_at(status: Status) -> Hashable:
    """Return all of a status by which the observation differs: whose pods it counts, and where (observe, sides).

    The count of commands in vain, too, tells which of two is seen: it changes only with a command that is taken away.
    """
    young = status.phase in (None, Phase.INITIALIZING)
    apart = status.memory.stage in (Stage.LEAVING, Stage.REPLACING)
    settled = young or status.phase in (Phase.INITIALIZED, Phase.SUCCEEDED)
    return status.revision, status.stable, status.memory.objects, young, apart, settled
