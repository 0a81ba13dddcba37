"""Pods of the candidate that stop being ready: the weight that is left, and what follows when that happens on and on.

Each loss begins the windows anew, so pods that are ready now and then could keep a version in traffic that is never
judged. After a few in a row its weight rises no more until its pods were ready for as long as a verdict takes; where
they are not so within the deadline of pods, the rollout is over. One loss, or some that a verdict follows, end nothing.
A hold that somebody takes away is a loss too: what sets `paused` back with each sync lets nothing be judged either.
"""

from __future__ import annotations

from datetime import timedelta

from canary.rollout.model import Notice, Stage, Status
from canary.rollout.reasons import Reason
from canary.rollout.situation import Pass, remember, with_weight
from canary.rollout.values import replace
from canary.rollout.wanted import size_ahead
from canary.rollout.weights import capacity, highest_weight
from canary.rollout.windows import least_window

MOST = 3
"""So many losses without a verdict in between are let pass."""
SAID_AGAIN = timedelta(hours=1)
"""So long people are not told in Slack again what goes on in one rollout; Events tell each time."""


def steady_after(it: Pass) -> timedelta:
    """Return how long pods are ready until an evaluation was due for sure: settled twice, looked at, scraped."""
    timing = it.plan.timing
    return 2 * timing.settle + least_window(it) + 2 * timing.scrape


def is_unsteady(it: Pass) -> bool:
    """Return whether pods were lost so often that the weight is not to rise."""
    return it.memory.losses > MOST


def counted(it: Pass, weight: int) -> tuple[Pass, tuple[Notice, ...]]:
    """Count a loss: the candidate had all the ready pods that `weight` needs, and has no more; tell of one too many.

    All are forgotten once its pods were ready for as long as a verdict takes: whatever kept it away was not theirs.
    """
    memory, need = it.memory, capacity(it.primary_replicas, weight)
    if memory.ready_at is None or it.target.ready >= need:
        steady = memory.losses and it.passed(memory.ready_at, steady_after(it))
        return (it.on(forgotten(it.status)) if steady else it), ()
    if it.target.ready >= memory.ready:
        return it, ()
    return _one_more(it)


def _one_more(it: Pass) -> tuple[Pass, tuple[Notice, ...]]:
    losses = it.memory.losses + 1
    it = it.on(remember(it.status, losses=losses, unsteady_since=it.memory.unsteady_since or it.now))
    return said(it, _unsteady(it)) if losses == MOST + 1 else (it, ())


def can_be_let_go(it: Pass) -> bool:
    """Return whether there are pods whose hold counts: not those that are about to be held, as with their scale-up.

    Nor those that wait at weight 0 until the primary passes: that wait goes on, they are held again meanwhile.
    """
    stage = it.memory.stage
    return stage is Stage.STEPPING or (stage is Stage.PREPARING and it.memory.ready_at is not None)


def let_go(it: Pass) -> tuple[Pass, tuple[Notice, ...]]:
    """Answer a hold that somebody took away: weight 0, and a loss as of pods; tell of both."""
    before = it.status.weight
    it, notices = _one_more(it.on(remember(with_weight(it.status, 0), ready_at=None)))
    if before == 0:
        return it, notices
    text = f"Weight lowered from {before} to 0 %: somebody took `spec.paused` from the Deployment, which held its pods"
    it, told = said(it, Notice(reason=Reason.WEIGHT_LOWERED, text=text, warning=True))
    return it, (*told, *notices)


def forgotten(status: Status) -> Status:
    """Return the status with no loss counted: a verdict came, or pods were ready for long enough."""
    return remember(status, losses=0, unsteady_since=None)


def unsteady_for_long(it: Pass) -> str:
    """Return why losses of pods end the rollout, "" when they do not."""
    if not is_unsteady(it) or not it.passed(it.memory.unsteady_since, it.deadline):
        return ""
    times = f"its pods stopped being ready or held {it.memory.losses} times within {_seconds(it.deadline)}"
    return f"{times}, so that it could not be judged"


def _unsteady(it: Pass) -> Notice:
    text = (
        f"Pods stopped being ready or held {it.memory.losses} times before a verdict{_because(it)}: the weight does "
        f"not rise until they were ready for {_seconds(steady_after(it))}; "
        f"rolled back if that takes {_seconds(it.deadline)}"
    )
    return Notice(reason=Reason.PODS_UNSTEADY, text=text, warning=True)


def wait_of_steadiness(it: Pass) -> str:
    """Return what an unsteady candidate waits for, in words that stay the same until the next loss."""
    times = f"pods stopped being ready or held {it.memory.losses} times before a verdict"
    return f"{times}; the weight does not rise until they were ready for {_seconds(steady_after(it))}"


def _because(it: Pass) -> str:
    return f" ({it.target.trouble.because})" if it.target.trouble.because else ""


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"


def lowered(it: Pass) -> Status:
    """Return the status with the weight that the candidate's ready pods carry, when some were lost.

    A rise that is not out yet is held to what they carry of a primary that is about to grow, too.
    How long there have been too few requests is not forgotten for that: fewer still come now.
    """
    carried, since = highest_weight(it.primary_replicas, it.target.ready), it.memory.no_data_since
    status = it.status
    if it.target.ready < it.memory.ready and carried < status.weight:
        status = with_weight(status, carried)
    out = it.world.split.weight
    if out is not None and out < status.weight:
        status = with_weight(status, min(status.weight, max(out, highest_weight(size_ahead(it), it.target.ready))))
    if it.target.ready == 0:
        status = remember(with_weight(status, 0), ready_at=None)
    return remember(status, ready=it.target.ready, no_data_since=since)


def lowered_notice(it: Pass, before: int, facts: dict[str, str]) -> tuple[Pass, tuple[Notice, ...]]:
    """Return the message that the weight was `before` and is lower now; nothing when it is not."""
    weight = it.status.weight
    if weight >= before:
        return it, ()
    text = f"Weight lowered from {before} to {weight} %: {it.target.ready} pods are ready"
    return said(it, Notice(reason=Reason.WEIGHT_LOWERED, text=text, warning=True, facts=facts))


def said(it: Pass, notice: Notice) -> tuple[Pass, tuple[Notice, ...]]:
    """Return a notice of what may happen on and on, for Events alone when it was told in this rollout and hour."""
    told = it.memory.told
    last, started = told.get(notice.reason), it.status.started_at
    if last is not None and not it.passed(last, SAID_AGAIN) and (started is None or last >= started):
        return it, (replace(notice, slack=False),)
    return it.on(remember(it.status, told={**told, notice.reason: it.now})), (notice,)
