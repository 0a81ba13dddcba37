"""One rollout as people are shown it: how far it is, what its checks say, what it waits for and what answers it.

Pure. Not its job: how that looks in Slack (canary.clients.slack_card).
"""

from __future__ import annotations

from canary.ports import Card, CheckLine, Mood
from canary.rollout.ends import shown
from canary.rollout.model import CheckResult, Outcome, Past, Plan, Result, Stage
from canary.rollout.phases import Phase
from canary.rollout.situation import Pass
from canary.rollout.stepping import newest

_ENDED = {
    Outcome.PROMOTED: Mood.GOOD,
    Outcome.ROLLED_BACK: Mood.BAD,
    Outcome.REVERTED: Mood.ENDED,
    Outcome.SUPERSEDED: Mood.ENDED,
}


def card_of(it: Pass) -> Card:
    """Return the newest rollout as it stands now."""
    status = it.status
    past = status.history[0] if status.history and status.memory.outcome is not None else None
    return Card(
        namespace=it.plan.namespace,
        canary=it.plan.name,
        phase=str(status.phase or ""),
        mood=_mood(it),
        revision=status.revision.shown if status.revision else "",
        image=status.revision.image if status.revision else "",
        stable=status.stable.shown if status.stable else "",
        weight=status.weight,
        step=status.step + 1,
        steps=tuple(step.weight for step in it.plan.steps),
        checks=tuple(_line(check, it) for check in status.checks),
        message=(status.memory.why if past else "") or _message(it),
        until=it.status.waits_until,
        commands=_commands(it),
        started_at=status.started_at,
        ended_at=past.ended_at if past else None,
    )


def card_of_past(plan: Plan, past: Past) -> Card:
    """Return a rollout that is over and was followed by another."""
    return Card(
        namespace=plan.namespace,
        canary=plan.name,
        phase=past.outcome.value.replace("_", " ").capitalize(),
        mood=_ENDED[past.outcome],
        revision=past.revision,
        image=past.image,
        stable="",
        weight=0,
        step=0,
        steps=(),
        checks=(),
        message=past.message,
        until=None,
        commands=(),
        started_at=past.started_at,
        ended_at=past.ended_at,
    )


def _mood(it: Pass) -> Mood:
    if it.memory.outcome is not None:
        return _ENDED[it.memory.outcome]
    failing = any(check.verdict is Result.FAILED for check in it.status.checks)
    held = it.phase is Phase.PAUSED or it.memory.stage is Stage.RECOVERING or it.plan.suspend
    return Mood.WAITING if failing or held else Mood.RUNNING


def _message(it: Pass) -> str:
    """Return what it waits for, without the checks: they are shown by themselves."""
    checks = newest(it)
    return it.status.message.replace(f": {checks}", "") if checks else it.status.message


def _line(check: CheckResult, it: Pass) -> CheckLine:
    effective = it.memory.effective_at
    older = it.memory.stage is Stage.STEPPING and (effective is None or check.at <= effective)
    text = (check.because or f"{check.name}: {shown(check)}") + (" (at the weight before)" if older else "")
    match check.verdict:
        case Result.PASSED:
            return CheckLine(text=text, passed=True)
        case Result.FAILED:
            return CheckLine(text=text, passed=False)
        case _:
            return CheckLine(text=f"{text} ({check.verdict.value})", passed=None)


def _commands(it: Pass) -> tuple[str, ...]:
    match it.phase:
        case Phase.PAUSED:
            words: tuple[str, ...] = ("resume", "abort")
        case Phase.PROGRESSING | Phase.PROMOTING:
            words = ("abort",)
        case Phase.FAILED:
            words = ("retry",)
        case _:
            words = ()
    return tuple(f"canary {word} {it.plan.name} -n {it.plan.namespace}" for word in words)
