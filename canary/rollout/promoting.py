"""Promoting: the primary takes over the analysed template while the canary keeps its weight."""

from __future__ import annotations

from canary.rollout.ends import promoted
from canary.rollout.model import Decision, Notice, Stage, Status
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.situation import Pass, remember
from canary.rollout.starting import clearing
from canary.rollout.values import replace
from canary.rollout.wanted import answer, kept_target


def promote(it: Pass, why: str, notices: tuple[Notice, ...] = ()) -> Decision:
    """Return the answer that gives the primary the revision under analysis, and why."""
    shown = it.status.revision.shown if it.status.revision else "the revision"
    text = f"Promotion of {shown} started: {why}"
    status = replace(it.status, phase=Phase.PROMOTING)
    status = remember(
        status,
        stage=Stage.STEPPING,
        why=why,
        waiting_since=it.now,
        primary_ready=0,
        promoted_size=it.primary_replicas,
        ceiling=None,
        paused_by_command=False,
        recovering_since=None,
    )
    notice = Notice(reason=Reason.PROMOTION_STARTED, text=text)
    return answer(it, status, text, kept_target(it), (*notices, notice))


def primary_took_over(it: Pass) -> bool:
    """Return whether the primary runs the promoted revision, fully ready, at no fewer replicas than before."""
    primary, revision = it.primary, it.status.revision
    if primary is None or revision is None or not it.primary_full:
        return False
    given = primary.key == revision.key and primary.restarted_at == revision.restarted_at
    return given and not primary.deleting and primary.replicas >= it.memory.promoted_size


def finalize(it: Pass) -> Decision:
    """Return the answer that gives the primary all traffic, with the revision as the stable one."""
    status, notices = promoted(it)
    return replace(clearing(it.on(status)), notices=notices)


def _ready(it: Pass) -> int:
    """Return how many pods of the primary are ready with the promoted revision."""
    return it.primary.ready if it.primary is not None and it.primary.key == it.tested_key else 0


def progressed(it: Pass) -> Status:
    """Return the status with the clock of the primary's deadline, which runs from its last progress."""
    ready = _ready(it)
    return (
        remember(it.status, primary_ready=ready, waiting_since=it.now) if ready > it.memory.primary_ready else it.status
    )


def waiting(it: Pass) -> Decision:
    """Return the answer while the primary rolls: the canary keeps its weight."""
    status, ready = it.status, _ready(it)
    size = f"{ready} of {it.primary_replicas} pods of the primary are ready"
    shown = status.revision.shown if status.revision else "the revision"
    if it.tested_key not in it.world.stored:
        return answer(it, status, f"Promoting {shown}: its stored template is missing", kept_target(it))
    held = "; the canary keeps its weight until the Service reaches one" if it.apex.leads_nowhere else ""
    return answer(it, status, f"Promoting {shown}: {size}{held}", kept_target(it))
