"""Which stretches of time a pass looks at. They end on the grid of scrapes counted from the weight's taking effect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from canary.rollout.grid import newest_scrape, on_grid
from canary.rollout.model import Stage, Status
from canary.rollout.phases import Phase
from canary.rollout.situation import Pass

FAST_SCRAPES = 4
FAST_LEAST_SCRAPES = 2
LEAST_SCRAPES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time, from `start` to `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """What is looked at in one pass: `fast` at each scrape; `whole` and `last` when an evaluation is due."""

    fast: Window | None = None
    whole: Window | None = None
    last: Window | None = None


def least_window(it: Pass) -> timedelta:
    """Return the shortest window that gives a verdict: max(interval, 4 scrapes)."""
    return max(it.plan.interval, LEAST_SCRAPES * it.plan.timing.scrape)


def step_duration(it: Pass) -> timedelta:
    """Return how long the present step lasts at least."""
    steps = it.plan.steps
    if not steps:
        return it.plan.interval
    step = steps[min(max(it.status.step, 0), len(steps) - 1)]
    return step.duration if step.duration is not None else it.plan.interval


def looks(status: Status) -> bool:
    """Return whether the canary carries a weight whose requests are looked at."""
    phases = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING)
    return status.phase in phases and status.memory.stage is Stage.STEPPING and status.weight > 0


def windows(it: Pass, end: datetime | None = None) -> Windows:
    """Return the windows of this pass, none before the weight took effect. `end` overrides the newest scrape."""
    effective = it.memory.effective_at
    if effective is None or not looks(it.status):
        return Windows()
    scrape = it.plan.timing.scrape
    end = end or newest_scrape(effective, it.now, scrape)
    fast = None
    if end - effective >= FAST_LEAST_SCRAPES * scrape:
        fast = Window(start=max(effective, end - FAST_SCRAPES * scrape), end=end)
    start = max(effective, it.memory.failed_at or effective)
    if end - start < least_window(it) or not _due(it, effective, end):
        return Windows(fast=fast)
    last = Window(start=max(start, end - least_window(it)), end=end)
    return Windows(fast=fast, whole=Window(start=start, end=end), last=last)


def _due(it: Pass, effective: datetime, end: datetime) -> bool:
    evaluated = it.memory.evaluated_at
    if evaluated is None or end - evaluated >= it.plan.interval:
        return True
    over = effective + step_duration(it)
    return evaluated < over <= end


def recovery_window(it: Pass, end: datetime | None = None) -> Window | None:
    """Return the window in which the primary must pass after an environment verdict; None before it is long enough."""
    if it.memory.recovering_since is None:
        return None
    since = on_grid(it.memory.recovering_since, it.plan.timing.scrape)
    end = end or newest_scrape(since, it.now, it.plan.timing.scrape)
    if end - since < least_window(it):
        return None
    return Window(start=end - least_window(it), end=end)
