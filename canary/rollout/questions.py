"""What must be asked of Prometheus before a pass can be decided. How it is asked is the business of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from canary.rollout.model import Check, Plan, Question, Side, Stage, Status, World
from canary.rollout.phases import Phase
from canary.rollout.situation import VERSION, Pass, track
from canary.rollout.windows import Window, Windows, recovery_window, windows

_OF_THE_CANARY = re.compile(r"\{\{\s*(target|pods|revision)\s*\}\}")


def has_counterpart(check: Check) -> bool:
    """Return whether the primary can be asked the same: always for a built-in, else if the query names the canary."""
    return check.builtin is not None or _OF_THE_CANARY.search(check.query) is not None


def questions(plan: Plan, status: Status, world: World, now: datetime) -> tuple[Question, ...]:
    """Return what must be asked in this pass, the primary's counterpart included; empty when nothing is due."""
    if status.version > VERSION or plan.suspend or world.leaving or world.target is None:
        return ()
    tested = status.revision.key if status.revision else ""
    if world.target.revision.key != tested and status.phase is not Phase.PROMOTING:
        return ()
    it = track(Pass(plan=plan, status=status, world=world, now=now))
    asked: Iterator[Question]
    if it.memory.stage is Stage.RECOVERING:
        asked = _of_the_primary(it, recovery_window(it))
    else:
        asked = _of_both(it, windows(it))
    return tuple(dict.fromkeys(asked))


def looked_at(check: Check, looked: Windows) -> tuple[Window, ...]:
    """Return the windows of an evaluation of a check; a query of the user's own has one value, of the last."""
    if looked.whole is None or looked.last is None:
        return ()
    return (looked.last,) if check.builtin is None else tuple(dict.fromkeys((looked.whole, looked.last)))


def _of_both(it: Pass, looked: Windows) -> Iterator[Question]:
    for check in it.plan.checks:
        wanted = looked_at(check, looked)
        if looked.fast is not None and check.builtin is not None:
            wanted = (looked.fast, *wanted)
        for window in wanted:
            yield _question(check, Side.CANARY, window)
            if has_counterpart(check):
                yield _question(check, Side.PRIMARY, window)


def _of_the_primary(it: Pass, window: Window | None) -> Iterator[Question]:
    if window is None:
        return
    for check in it.plan.checks:
        if has_counterpart(check):
            yield _question(check, Side.PRIMARY, window)


def _question(check: Check, side: Side, window: Window) -> Question:
    return Question(check=check.name, side=side, start=window.start, end=window.end)
