"""When to look again: every moment at which time alone could change the answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from canary.rollout.contests import NOTED_AGAIN, QUIET, RESETS_WITHIN, judgement_takes
from canary.rollout.evaluating import TELL_AGAIN
from canary.rollout.grid import newest_scrape, on_grid
from canary.rollout.losses import steady_after
from canary.rollout.model import Stage
from canary.rollout.questions import questions
from canary.rollout.situation import TARGET_PATIENCE, Pass
from canary.rollout.stepping import PULL_PATIENCE
from canary.rollout.windows import looks

AT_ONCE = timedelta(0)


def again_in(it: Pass) -> timedelta | None:
    """Return how long until time alone may change the answer, None when it cannot; 0 when questions are open."""
    asked = questions(it.plan, it.status, it.world, it.now)
    if any(question not in it.world.answers for question in asked):
        return AT_ONCE
    return min((moment - it.now for moment in _moments(it) if moment > it.now), default=None)


def _moments(it: Pass) -> Iterator[datetime]:
    memory, timing = it.memory, it.plan.timing
    trouble = it.target.trouble.pull_error_since
    after = (
        (memory.weight_at, timing.settle),
        (memory.weight_at, timing.drain),
        (memory.ready_at, timing.settle),
        (memory.waiting_since, it.deadline),
        (memory.waiting_since, it.takeover_deadline),
        (memory.unsteady_since, it.deadline),
        (memory.narrowed_at, timing.settle + timing.drain),
        (memory.wide_since, timing.drain),
        (memory.no_data_since, it.plan.no_data_timeout),
        (memory.recovering_since, it.plan.no_data_timeout),
        (memory.error_told_at, TELL_AGAIN),
        (memory.target_gone_at, TARGET_PATIENCE),
        (memory.left_at, timing.settle + timing.drain),
        (trouble, PULL_PATIENCE),
    )
    for since, duration in after:
        if since is not None:
            yield since + duration
    if memory.losses and memory.ready_at is not None:
        yield memory.ready_at + steady_after(it)
    if it.target.replicas and memory.resets:
        yield memory.resets[0] + RESETS_WITHIN
    if memory.widened:
        yield memory.widened[-1] + judgement_takes(it)
    if it.world.command is not None:
        for answered in memory.repeats.values():
            yield answered[-1] + NOTED_AGAIN
    for contest in memory.contests.values():
        yield contest.at + QUIET
    yield from _scrapes(it)


def _scrapes(it: Pass) -> Iterator[datetime]:
    timing = it.plan.timing
    since = it.memory.effective_at if looks(it.status) else None
    if it.memory.stage is Stage.RECOVERING:
        recovering = it.memory.recovering_since
        since = on_grid(recovering, timing.scrape) if recovering else None
    if since is not None:
        yield newest_scrape(since, it.now, timing.scrape) + timing.scrape
