"""Initialized, Succeeded and Failed: what serves is kept as it is, and a new revision begins a rollout."""

from __future__ import annotations

from canary.rollout.contests import RESETS, noted, recent_resets, replicas_of
from canary.rollout.ends import closed
from canary.rollout.model import Decision, Notice, Outcome, Stage, Status, TargetWanted
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.situation import Pass, remember
from canary.rollout.starting import begin, start_blocker
from canary.rollout.values import replace
from canary.rollout.wanted import answer


def resting(it: Pass) -> Decision:
    """Return what follows at rest."""
    if it.memory.stage is not Stage.REST:
        it = it.on(remember(it.status, stage=Stage.REST))
    it, notices = _back_to_zero(it.on(_sized(it)))
    key = it.target.revision.key
    if key == it.stable_key:
        decision = _stable(it)
    elif key == it.status.last_failed and key != it.memory.retry:
        decision = _failed_before(it)
    else:
        decision = _new(it)
    return replace(decision, notices=(*notices, *decision.notices))


def _sized(it: Pass) -> Status:
    """Return the status with the primary's size: forgotten where an autoscaler sets it, kept when that goes."""
    autoscaler, primary, size = it.world.autoscaler, it.primary, it.memory.size
    if autoscaler is not None and autoscaler.at_primary and size is not None and primary is not None:
        return remember(it.status, size=None)
    if autoscaler is None and size is None and primary is not None:
        return remember(it.status, size=primary.replicas)
    return it.status


def _back_to_zero(it: Pass) -> tuple[Pass, tuple[Notice, ...]]:
    """Count replicas that somebody set; return the pass with the count, and the message."""
    target, memory = it.target, it.memory
    if memory.hold and not target.paused and target.replicas == 0:
        it = it.on(remember(it.status, hold=False))
    if target.replicas == 0 or target.generation == memory.reset_generation:
        return it, ()
    recent = recent_resets(it)
    if len(recent) >= RESETS:
        text = (
            f"Replicas of the Deployment were set {RESETS} times in ten minutes, the last time by {target.sized_by}, "
            f"and are left at {target.replicas}: its pods get no traffic; take `replicas` out of what is applied, or "
            "set it to 0"
        )
        status = noted(it, Reason.REPLICAS_CONTESTED, replicas_of(it), target.sized_by)
        status = remember(status, reset_generation=target.generation, contested_generation=target.generation)
        return it.on(status), (Notice(reason=Reason.REPLICAS_CONTESTED, text=text, warning=True),)
    status = remember(it.status, resets=(*recent, it.now), reset_generation=target.generation)
    text = (
        f"Replicas of the Deployment were set to {target.replicas} by {target.sized_by}; "
        "they go back to 0, the primary serves"
    )
    return it.on(status), (Notice(reason=Reason.REPLICAS_RESET, text=text, slack=False),)


def contested(it: Pass) -> bool:
    """Return whether replicas were set so often of late that they are left alone."""
    return len(recent_resets(it)) >= RESETS and it.target.generation == it.memory.contested_generation


def target_at_rest(it: Pass, *, clear: bool = False) -> TargetWanted | None:
    """Return the candidate at 0 where the primary serves without it; None leaves it (contested, or it must serve).

    `clear`: its pods are to go even where they would be left alone.
    """
    if it.target.replicas == 0 and not it.memory.hold:
        return None
    if (contested(it) and not clear) or not it.primary_serves or not it.apex_safe or not it.drained:
        return None
    return TargetWanted(replicas=0, held=False if it.memory.hold else None)


def _rest(it: Pass, status: Status, because: str, notices: tuple[Notice, ...] = ()) -> Decision:
    return answer(it, status, because, target_at_rest(it.on(status)), notices)


def _stable(it: Pass) -> Decision:
    """The Deployment is what serves: at rest, but for a restart that the primary follows."""
    status, stable = it.status, it.status.stable
    notices: tuple[Notice, ...] = ()
    revision = it.target.revision
    if stable is not None and revision.restarted_at != stable.restarted_at:
        text = f"The stable revision {stable.shown} is restarted; the primary rolls its pods"
        notices = (Notice(reason=Reason.RESTARTED, text=text),)
        stable = replace(stable, restarted_at=revision.restarted_at)
        status = replace(status, stable=stable)
    if stable is not None and revision.pin and revision.pin != stable.pin:
        status = replace(status, stable=replace(stable, pin=revision.pin))
    if it.phase is Phase.FAILED:
        return _taken_back(it.on(status), notices)
    faults = it.blocking_faults()
    shown = stable.shown if stable else "the stable revision"
    because = it.memory.why or f"{shown} serves all traffic"
    return _rest(it, status, f"{because}; {faults}" if faults else because, notices)


def _taken_back(it: Pass, notices: tuple[Notice, ...]) -> Decision:
    failed = it.status.revision.shown if it.status.revision else "the failed revision"
    stable = it.status.stable.shown if it.status.stable else "the stable revision"
    why = f"Reverted: the Deployment is the stable revision {stable} again after {failed} failed"
    status = replace(closed(it, Outcome.REVERTED, why), phase=Phase.SUCCEEDED)
    status = remember(status, outcome=Outcome.REVERTED)
    notice = Notice(reason=Reason.REVERTED, text=why, milestone=True)
    return _rest(it, status, why, (*notices, notice))


def _failed_before(it: Pass) -> Decision:
    if it.phase is Phase.FAILED and it.memory.why:
        return _rest(it, it.status, it.memory.why)
    return _rest(it, it.status, f"{_named(it)} failed before and is not tried again; `retry` gives it a new rollout")


def _named(it: Pass) -> str:
    """Return the Deployment's revision at the beginning of a sentence: by its name where it had one before."""
    revision, tested = it.target.revision, it.status.revision
    if tested is not None and tested.key == revision.key:
        revision = tested
    return revision.named if revision.pin else f"{revision.named[0].upper()}{revision.named[1:]}"


def _new(it: Pass) -> Decision:
    blocked = start_blocker(it)
    why_not = blocked or _pods_in_the_way(it)
    if why_not:
        decision = _rest(it, it.status, f"{_named(it)} waits: {why_not}")
        target = target_at_rest(it, clear=not blocked and _is_config_alone(it))
        return replace(decision, wanted=replace(decision.wanted, target=target))
    return begin(it)


def _pods_in_the_way(it: Pass) -> str:
    """Return which pods keep the first scale-up from being one write; those that are left alone need not go."""
    target = it.target
    left_alone = contested(it) and it.apex_safe and not _is_config_alone(it)
    if target.other_pods or (target.pods and not left_alone):
        return f"{target.pods} pods of the Deployment are still there"
    return ""


def _is_config_alone(it: Pass) -> bool:
    """Return whether only the config is new: pods that are there bear the same hash and may have the older one."""
    new = it.target.revision
    known = (it.status.stable, it.status.revision)
    return any(one is not None and one.digest == new.digest and one.config != new.config for one in known)
