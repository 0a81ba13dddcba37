"""What follows from the answers of Prometheus: what is counted, told and remembered, and which end they bring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from canary.rollout.losses import forgotten
from canary.rollout.model import NoData, Notice, Result, Stage, Status
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.situation import Pass, remember, with_weight
from canary.rollout.values import replace
from canary.rollout.verdict import Evaluation, Rules, evaluate, fast, primary_passes
from canary.rollout.windows import recovery_window, windows

TELL_AGAIN = timedelta(hours=1)
ENVIRONMENTS = 2
"""The environment verdict that ends a rollout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the answers of this pass led to. `roll_back` and `promote` are sentences, "" for neither.

    `because` says what the newest evaluation said, "" when there was none. `thin`: one step up on little evidence.
    """

    status: Status
    notices: tuple[Notice, ...] = ()
    because: str = ""
    roll_back: str = ""
    promote: str = ""
    thin: bool = False


def answered_end(it: Pass) -> datetime | None:
    """Return the end of the newest window that was answered, None without answers (time may have gone on since)."""
    return max((question.end for question in it.world.answers), default=None)


def last_step(it: Pass) -> bool:
    """Return whether the present step is the last one."""
    return it.status.step >= len(it.plan.steps) - 1


def judge(it: Pass) -> Judged:
    """Return what the answers lead to while the canary carries a weight: the fast rule first, then an evaluation."""
    looked = windows(it, answered_end(it))
    quick = fast(it.plan.checks, it.world.answers, looked.fast)
    if quick is not None:
        status = replace(it.status, checks=quick.checks)
        if quick.result is Result.ENVIRONMENT:
            return environment(it.on(status), quick)
        return Judged(status=status, roll_back=f"failing fast, {quick.because}", because=quick.because)
    rules = Rules(
        min_requests=it.plan.min_requests,
        interval=it.plan.interval,
        may_thin=not last_step(it) and it.phase is not Phase.PROMOTING,
    )
    found = evaluate(it.plan.checks, it.world.answers, looked, rules)
    if found is None:
        judged = Judged(status=it.status)
        return judged if windows(it).whole else _patience(judged, it)
    started = looked.whole.start if looked.whole else found.at
    judged = _evaluated(it, found, started)
    return judged if found.result is Result.ERROR else _patience(judged, it)


def _evaluated(it: Pass, found: Evaluation, started: datetime) -> Judged:
    status = replace(it.status, checks=found.checks)
    match found.result:
        case Result.ERROR:
            return _error(it.status, it.on(status), found)
        case Result.ENVIRONMENT:
            return environment(it.on(status), found)
        case Result.FAILED:
            return _failed(it.on(_answered(status, found)), found)
        case Result.NO_DATA:
            return _no_data(it.on(_answered(status, found)), found, started)
        case Result.THIN:
            return Judged(status=_passed(status, found), because=found.because, thin=True, notices=_back(it))
        case Result.PASSED:
            return Judged(status=_passed(status, found), because=f"passed, {found.because}", notices=_back(it))


def _passed(status: Status, found: Evaluation) -> Status:
    return remember(forgotten(_answered(status, found)), no_data_since=None, passed_at=found.at)


def _answered(status: Status, found: Evaluation) -> Status:
    return remember(status, evaluated_at=found.at, error_told_at=None, passed_at=None)


def _back(it: Pass) -> tuple[Notice, ...]:
    if it.memory.error_told_at is None:
        return ()
    return (Notice(reason=Reason.METRICS_BACK, text="Prometheus answers again; the rollout goes on"),)


def _error(before: Status, it: Pass, found: Evaluation) -> Judged:
    """Hold; what was shown before stays between two tellings, so that an outage is not a write at each scrape."""
    told = it.memory.error_told_at
    if told is not None and not it.passed(told, TELL_AGAIN):
        return Judged(status=before, because=f"held, {found.because}")
    text = f"The split is held at {it.status.weight} %: {found.because}"
    notice = Notice(reason=Reason.METRICS_UNAVAILABLE, text=text, warning=True)
    status = remember(it.status, error_told_at=it.now)
    return Judged(status=status, because=f"held, {found.because}", notices=(notice,))


def _failed(it: Pass, found: Evaluation) -> Judged:
    if it.phase is Phase.PROMOTING:
        return Judged(status=it.status, because=f"failed, {found.because}")
    count = it.status.failed_checks + 1
    status = replace(it.status, failed_checks=count)
    status = remember(forgotten(status), failed_at=found.at, no_data_since=None)
    text = f"Failed evaluation {count} of {it.plan.max_failures} at {it.status.weight} %: {found.because}"
    facts = {"weight": f"{it.status.weight} %", "failed": f"{count} of {it.plan.max_failures}"}
    notice = Notice(reason=Reason.CHECK_FAILED, text=text, warning=True, facts=facts)
    because = f"failed ({count} of {it.plan.max_failures}), {found.because}"
    if count >= it.plan.max_failures:
        why = f"{count} failed evaluations, the last: {found.because}"
        return Judged(status=status, because=because, notices=(*_back(it), notice), roll_back=why)
    return Judged(status=status, because=because, notices=(*_back(it), notice))


def _no_data(it: Pass, found: Evaluation, started: datetime) -> Judged:
    because = f"no data, {found.because}, at least {it.plan.min_requests} are needed"
    if it.memory.no_data_since is not None:
        return Judged(status=it.status, because=because, notices=_back(it))
    follows = {
        NoData.ROLLBACK: "the rollout is rolled back",
        NoData.PROMOTE: "the revision is promoted",
        NoData.HOLD: "the split is held on",
    }[it.plan.no_data]
    minutes = it.plan.no_data_timeout.total_seconds() / 60
    text = f"Too few requests at {it.status.weight} %: {found.because}; after {minutes:g} min {follows}"
    notice = Notice(reason=Reason.NO_DATA, text=text, warning=True)
    status = remember(it.status, no_data_since=started)
    return Judged(status=status, because=because, notices=(*_back(it), notice))


def _patience(judged: Judged, it: Pass) -> Judged:
    """Add what follows once too few requests lasted longer than the patience.

    Nothing is read anew for it, as for other deadlines: that there are too few was said by Prometheus itself, not by a
    cache, and the newest evaluation that is due has been answered. Without an answer the patience does not end.
    """
    since = judged.status.memory.no_data_since
    if judged.roll_back or it.phase is Phase.PROMOTING or not it.passed(since, it.plan.no_data_timeout):
        return judged
    shown = "; ".join(check.because for check in judged.status.checks if check.verdict is Result.NO_DATA)
    why = f"too few requests for {it.plan.no_data_timeout.total_seconds() / 60:g} min ({shown})"
    match it.plan.no_data:
        case NoData.ROLLBACK:
            return replace(judged, roll_back=why)
        case NoData.PROMOTE:
            return replace(judged, promote=why)
        case NoData.HOLD:
            return judged


def environment(it: Pass, found: Evaluation) -> Judged:
    """Return what follows when the primary fails the same check: weight 0 and wait; the second time the end."""
    if it.phase is Phase.PROMOTING:
        return Judged(status=it.status, because=f"the primary fails too, {found.because}")
    count = it.memory.environment_count + 1
    status = remember(it.status, environment_count=count)
    if count >= ENVIRONMENTS:
        why = f"the primary failed the same check a second time: {found.because}"
        return Judged(status=status, roll_back=why, because=found.because)
    text = f"The primary is over its limit too, the canary waits at weight 0: {found.because}"
    status = remember(with_weight(status, 0), stage=Stage.RECOVERING, recovering_since=it.now)
    notice = Notice(reason=Reason.ENVIRONMENT_FAILING, text=text, warning=True)
    return Judged(status=status, because=text, notices=(notice,))


def judge_recovery(it: Pass) -> Judged:
    """Return what follows while the canary waits at weight 0 for the primary to pass for one interval."""
    window = recovery_window(it, answered_end(it))
    found = primary_passes(it.plan.checks, it.world.answers, window) if window else None
    if found is not None and found.result is Result.PASSED:
        return _recovered(it, found)
    judged = Judged(status=it.status, because="the canary waits at weight 0 until the primary passes for one interval")
    if found is not None:
        judged = replace(judged, because=f"{judged.because}: {found.because}")
        if found.result is Result.ERROR:
            told = _error(it.status, it, found)
            judged = replace(judged, status=told.status, notices=told.notices)
    if it.plan.no_data is not NoData.HOLD and it.passed(it.memory.recovering_since, it.plan.no_data_timeout):
        minutes = it.plan.no_data_timeout.total_seconds() / 60
        return replace(judged, roll_back=f"the primary did not pass its own checks for {minutes:g} min")
    return judged


def _recovered(it: Pass, found: Evaluation) -> Judged:
    count = it.status.failed_checks + 1
    status = replace(it.status, failed_checks=count, step=0 if it.plan.steps else -1)
    status = remember(
        status, stage=Stage.PREPARING, recovering_since=None, error_told_at=None, step_weight=0, pause_done=False
    )
    text = f"The primary passes again ({found.because}); the canary returns to its first step"
    if count >= it.plan.max_failures:
        why = f"{count} failed evaluations, the last with the primary over its limit too"
        return Judged(status=status, because=text, roll_back=why)
    notice = Notice(reason=Reason.ENVIRONMENT_RECOVERED, text=text)
    return Judged(status=status, because=text, notices=(notice,))
