"""Until when the present wait lasts, or the patience with it: shown beside the message, and written with it. Pure.

A moment follows from what is remembered alone, so it stays the same from pass to pass and costs no write of its own.
"""

from __future__ import annotations

from datetime import datetime

from canary.rollout.losses import is_unsteady
from canary.rollout.model import NoData, Stage
from canary.rollout.phases import Phase
from canary.rollout.situation import TARGET_PATIENCE, Pass
from canary.rollout.windows import step_duration


def waits_until(it: Pass) -> datetime | None:
    """Return when the present wait is over, or the patience with it; None when only an event can change anything.

    It may lie in the past: what was waited for is then looked at in the next pass.
    """
    memory, timing = it.memory, it.plan.timing
    if memory.target_gone_at is not None:
        return memory.target_gone_at + TARGET_PATIENCE
    if memory.stage in (Stage.LEAVING, Stage.REPLACING):
        return memory.left_at + timing.settle + timing.drain if memory.left_at else None
    if it.phase is None or it.phase.at_rest or (it.plan.suspend and memory.stage is not Stage.CLEARING):
        return None
    if memory.wide_since is not None and it.phase is not Phase.INITIALIZING:
        return memory.wide_since + timing.drain
    match it.phase:
        case Phase.INITIALIZING:
            return _narrowed(it) if memory.stage is Stage.CLEARING else None
        case Phase.PROMOTING:
            return it.memory.waiting_since + it.takeover_deadline if it.memory.waiting_since else None
        case _:
            return _by_stage(it)


def _narrowed(it: Pass) -> datetime | None:
    """Return when the Service's narrowing has settled and what went before is drained."""
    narrowed, weight, timing = it.memory.narrowed_at, it.memory.weight_at, it.plan.timing
    if narrowed is None or weight is None or (it.apex_safe and it.drained):
        return None
    return max(narrowed + timing.settle + timing.drain, weight + timing.drain)


def _pods(it: Pass) -> datetime | None:
    return it.memory.waiting_since + it.deadline if it.memory.waiting_since else None


def _by_stage(it: Pass) -> datetime | None:
    memory, timing = it.memory, it.plan.timing
    match memory.stage:
        case Stage.PREPARING if memory.unsteady_since and is_unsteady(it):
            return memory.unsteady_since + it.deadline
        case Stage.PREPARING:
            return memory.ready_at + timing.settle if memory.ready_at else _pods(it)
        case Stage.CLEARING:
            return memory.weight_at + timing.drain if memory.weight_at and not it.drained else None
        case Stage.STEPPING:
            return _end_of_step(it)
        case Stage.RECOVERING if memory.recovering_since and it.plan.no_data is not NoData.HOLD:
            return memory.recovering_since + it.plan.no_data_timeout
        case _:
            return None


def _end_of_step(it: Pass) -> datetime | None:
    memory = it.memory
    if memory.waiting_since is not None:
        return _pods(it)
    if memory.no_data_since is not None and it.plan.no_data is not NoData.HOLD:
        return memory.no_data_since + it.plan.no_data_timeout
    if memory.weight_at is None or it.phase is Phase.PAUSED:
        return None
    if memory.effective_at is None:
        return memory.weight_at + it.plan.timing.settle
    return memory.effective_at + step_duration(it)
