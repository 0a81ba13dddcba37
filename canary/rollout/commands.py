"""What people command: what each word does in each phase, and why it is refused where it makes no sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from canary.rollout.ends import rolling_back
from canary.rollout.model import Command, CommandName, LastCommand, Notice, Stage, Status
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.repeats import carried_out, in_vain, is_left_alone, told
from canary.rollout.situation import Pass, remember
from canary.rollout.starting import blocker, start_blocker
from canary.rollout.values import replace

KNOWN = ", ".join(f"`{name}`" for name in CommandName)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obeyed:
    """What a command led to. `refused` says why it was not carried out, "" when it was."""

    status: Status
    notices: tuple[Notice, ...] = ()
    refused: str = ""


def obey(it: Pass) -> tuple[Pass, tuple[Notice, ...]]:
    """Carry out or refuse the command that waits; one that is only waiting to be taken away is left alone."""
    command = it.world.command
    if command is None or is_answered(it):
        return it, ()
    done = _carried_out(it, command)
    if not done.refused and done.status != it.status:
        return carried_out(_recorded(it.on(done.status), command), command, done.notices)
    if is_left_alone(it, command):
        return it, ()
    it, in_words = in_vain(it, command)
    it = it.on(remember(it.status, pending=_identity(command))) if done.refused else _recorded(it, command)
    it, notices = told(it, command)
    return it, (*(_refusal(command, done.refused) if in_words and done.refused else ()), *notices)


def is_answered(it: Pass) -> bool:
    """Return whether the command that waits was carried out or refused, so that its annotation is to go."""
    command = it.world.command
    return command is not None and it.memory.pending == _identity(command)


def _recorded(it: Pass, command: Command) -> Pass:
    """Return the pass with a command that was carried out as the last one."""
    assert command.name is not None
    shown = it.status.revision.shown if it.status.revision else ""
    last = LastCommand(name=command.name, revision=shown, at=it.now, by=command.by)
    return it.on(remember(replace(it.status, last_command=last), pending=_identity(command)))


def _refusal(command: Command, why: str) -> tuple[Notice, ...]:
    text = f"`{command.text}` is refused: {why}"
    return (Notice(reason=Reason.COMMAND_REFUSED, text=text, warning=True, facts={"by": command.by}),)


def _identity(command: Command) -> str:
    return f"{command.text} {command.id}".strip()


def _carried_out(it: Pass, command: Command) -> Obeyed:
    never = _never(it, command)
    if command.name is None or never:
        return _no(it, never)
    match command.name:
        case CommandName.RELEASE:
            return _release(it)
        case CommandName.RETRY:
            return _retry(it)
        case CommandName.ABORT:
            return _abort(it, command)
        case CommandName.PROMOTE:
            return _promote(it, command)
        case CommandName.PAUSE:
            return _pause(it, command)
        case CommandName.RESUME:
            return _resume(it, command)
        case _:
            assert_never(command.name)


def _never(it: Pass, command: Command) -> str:
    """Return why the command is refused whatever the phase, "" when that depends on the phase."""
    if command.name is None:
        return f"it is no command; known are {KNOWN}"
    if command.with_template:
        return "it came together with a template change, as `kubectl rollout undo` brings old ones back"
    if it.world.target is None:
        return "the Deployment is gone"
    if it.world.leaving and command.name is not CommandName.RELEASE:
        return "the Canary is leaving; only `release` means something now"
    return ""


def _no(it: Pass, why: str) -> Obeyed:
    return Obeyed(status=it.status, refused=why)


def _outside_analysis(it: Pass) -> str:
    """Return why a command that needs a rollout makes no sense in this phase, "" under analysis."""
    match it.phase:
        case Phase.PROGRESSING | Phase.PAUSED:
            return ""
        case Phase.PROMOTING:
            return "the promotion is under way; `abort` still stops it"
        case Phase.FINALIZING:
            return "all traffic is at the primary already"
        case Phase.ROLLING_BACK:
            return "the rollout is being rolled back"
        case Phase.INITIALIZING | None:
            return "the canary is being set up, no rollout runs"
        case Phase.INITIALIZED | Phase.SUCCEEDED | Phase.FAILED:
            return "no rollout runs"
        case _:
            assert_never(it.phase)


def _retry(it: Pass) -> Obeyed:
    if it.phase is None or not it.phase.at_rest:
        return _no(it, "a rollout runs" if not _before_first(it) else "the canary is being set up, nothing failed")
    if not it.status.last_failed or it.target.revision.key != it.status.last_failed:
        return _no(it, "the Deployment's revision did not fail")
    why_not = start_blocker(it)
    if why_not:
        return _no(it, why_not)
    return Obeyed(status=remember(it.status, retry=it.status.last_failed))


def _before_first(it: Pass) -> bool:
    return it.phase is None or it.phase is Phase.INITIALIZING


def _abort(it: Pass, command: Command) -> Obeyed:
    if it.phase is Phase.FINALIZING:
        return _no(it, "it is too late, all traffic is at the primary with this revision")
    if it.phase is not Phase.PROMOTING:
        why_not = _outside_analysis(it)
        if why_not:
            return _no(it, why_not)
    if it.memory.outcome is not None:
        it = _instead(it)
    status, notices = rolling_back(it, f"aborted by {command.by}")
    return Obeyed(status=status, notices=notices)


def _instead(it: Pass) -> Pass:
    """Return the pass in which the revision that waits for its start is the one that is aborted."""
    status = replace(it.status, revision=it.target.revision, started_at=it.now, highest_weight=0, checks=())
    return it.on(remember(status, outcome=None))


def _promote(it: Pass, command: Command) -> Obeyed:
    why_not = _outside_analysis(it) or _clearing(it) or blocker(it)
    if why_not:
        return _no(it, why_not)
    return Obeyed(status=remember(it.status, promote_asked=True, why=f"promote was commanded by {command.by}"))


def _clearing(it: Pass) -> str:
    if it.memory.stage is Stage.CLEARING:
        return "the newest revision is not under analysis yet; command it again once it is"
    if it.target.revision.key != (it.status.revision.key if it.status.revision else ""):
        return "a newer revision has come, which was not analysed"
    return ""


def _pause(it: Pass, command: Command) -> Obeyed:
    why_not = _outside_analysis(it)
    if not why_not and it.phase is Phase.PAUSED:
        why_not = "it is paused already"
    if not why_not and it.memory.stage is Stage.CLEARING:
        why_not = _clearing(it)
    if why_not:
        return _no(it, why_not)
    text = f"Paused at {it.status.weight} % by {command.by}; `resume` lets it go on"
    status = replace(it.status, phase=Phase.PAUSED)
    status = remember(status, paused_by_command=True, ceiling=it.status.weight)
    return Obeyed(status=status, notices=(Notice(reason=Reason.PAUSED, text=text),))


def _resume(it: Pass, command: Command) -> Obeyed:
    if it.phase is not Phase.PAUSED:
        return _no(it, _outside_analysis(it) or "it is not paused")
    if it.plan.suspend:
        return _no(it, "the canary is suspended")
    text = f"Resumed at {it.status.weight} % by {command.by}"
    status = replace(it.status, phase=Phase.PROGRESSING)
    done = it.memory.pause_done or not it.memory.paused_by_command
    status = remember(status, paused_by_command=False, ceiling=None, pause_done=done)
    return Obeyed(status=status, notices=(Notice(reason=Reason.RESUMED, text=text),))


def _release(it: Pass) -> Obeyed:
    if not it.world.leaving:
        return _no(it, "the Canary is not leaving")
    if it.target.revision.key == it.stable_key:
        return _no(it, "the Deployment holds the stable revision, leaving does not wait for anything")
    return Obeyed(status=remember(it.status, released=it.target.revision.key))
