"""How a rollout begins and ends in the status: what is remembered, the history, and the words for both."""

from __future__ import annotations

from canary.rollout.model import CheckResult, Notice, Outcome, Past, Stage, Status
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.situation import Pass, remember, with_weight
from canary.rollout.values import replace

HISTORY = 10

REASONS = {
    Outcome.PROMOTED: Reason.PROMOTED,
    Outcome.ROLLED_BACK: Reason.ROLLED_BACK,
    Outcome.REVERTED: Reason.REVERTED,
    Outcome.SUPERSEDED: Reason.SUPERSEDED,
}


def closed(it: Pass, outcome: Outcome, why: str) -> Status:
    """Return the status with the rollout in the history; unchanged when it was closed before."""
    status = it.status
    revision = status.revision
    if revision is None or status.started_at is None or status.memory.outcome is not None:
        return remember(status, why=why)
    past = Past(
        revision=revision.shown,
        image=revision.image,
        outcome=outcome,
        message=why,
        started_at=status.started_at,
        ended_at=max(it.now, status.started_at),
        highest_weight=status.highest_weight,
    )
    status = replace(status, history=(past, *status.history)[:HISTORY])
    return remember(status, outcome=outcome, why=why)


def end_notice(it: Pass, outcome: Outcome, why: str) -> tuple[Notice, ...]:
    """Return the message of an end; empty when this rollout was closed before."""
    if it.status.revision is None or it.memory.outcome is not None:
        return ()
    facts = {
        "revision": it.status.revision.shown,
        "image": it.status.revision.image,
        "highest weight": f"{it.status.highest_weight} %",
        "failed evaluations": str(it.status.failed_checks),
    }
    for check in it.status.checks:
        facts[check.name] = shown(check)
    failure = outcome is Outcome.ROLLED_BACK
    return (Notice(reason=REASONS[outcome], text=why, warning=failure, milestone=True, facts=facts),)


def shown(check: CheckResult) -> str:
    """Return a check in a few words: value, limit, requests, verdict."""
    value = "no value" if check.value is None else f"{check.value:.4g}"
    requests = "" if check.requests is None else f", {check.requests} requests"
    return f"{value} (limit {check.limit:g}{requests}): {check.verdict}"


def rolling_back(it: Pass, why: str) -> tuple[Status, tuple[Notice, ...]]:
    """Return the status from which everything goes back to the primary, and the message."""
    revision = it.status.revision
    name = revision.shown if revision else "the revision"
    sentence = f"Rolled back {name}: {why}"
    status = closed(it, Outcome.ROLLED_BACK, sentence)
    status = replace(with_weight(status, 0), phase=Phase.ROLLING_BACK, last_failed=it.tested_key)
    return _ending(status), end_notice(it, Outcome.ROLLED_BACK, sentence)


def reverted(it: Pass) -> tuple[Status, tuple[Notice, ...]]:
    """Return the status of a rollout whose revision was taken back by its user: an end, not a failure."""
    revision, stable = it.status.revision, it.status.stable
    sentence = (
        f"Reverted: the Deployment is the stable revision {stable.shown if stable else ''} again, "
        f"{revision.shown if revision else 'the revision under test'} was not judged"
    )
    notices = end_notice(it, Outcome.REVERTED, sentence)
    status = closed(it, Outcome.REVERTED, sentence)
    return _ending(replace(with_weight(status, 0), phase=Phase.FINALIZING)), notices


def promoted(it: Pass) -> tuple[Status, tuple[Notice, ...]]:
    """Return the status in which the revision is the stable one, and the message."""
    revision = it.status.revision
    sentence = f"Promoted {revision.shown if revision else 'the revision'}: {_reason_of_promotion(it)}"
    notices = end_notice(it, Outcome.PROMOTED, sentence)
    status = closed(it, Outcome.PROMOTED, sentence)
    status = replace(with_weight(status, 0), phase=Phase.FINALIZING, stable=revision, last_failed="")
    return _ending(status), notices


def _reason_of_promotion(it: Pass) -> str:
    return it.memory.why or "all steps passed"


def _ending(status: Status) -> Status:
    return remember(
        status,
        stage=Stage.CLEARING,
        recovering_since=None,
        promote_asked=False,
        ceiling=None,
        paused_by_command=False,
        pause_done=False,
        waiting_since=None,
        losses=0,
        unsteady_since=None,
        retry="",
    )
