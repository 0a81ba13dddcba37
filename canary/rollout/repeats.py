"""Commands that change nothing and are given again and again, as by a tool that applies the annotation with its sync.

The first few are answered each. After that the same command of the same manager is looked at once a minute, without a
word, for as long as it goes on. One that does change something is never held up, whoever gave it and however often; of
a pause and a resume that take turns so, no more is told.
"""

from __future__ import annotations

from datetime import timedelta

from canary.rollout.contests import NOTED_AGAIN, noted
from canary.rollout.model import SOMEBODY, Command, CommandName, Notice, Status
from canary.rollout.reasons import Reason
from canary.rollout.situation import Pass, remember

MOST = 5
WITHIN = timedelta(hours=1)
"""So often within this time a command that changes nothing is answered each time."""
KEPT = 8
"""So many commands are remembered, the newest."""


def is_repeated(status: Status, command: Command) -> bool:
    """Return whether a command was given so often of late, in vain, that others go before it."""
    return len(status.memory.repeats.get(_key(command), ())) == MOST


def is_left_alone(it: Pass, command: Command) -> bool:
    """Return whether a command that changes nothing stays for now, unanswered."""
    return _is_too_often(it, command) and it.now - it.memory.repeats[_key(command)][-1] < NOTED_AGAIN


def in_vain(it: Pass, command: Command) -> tuple[Pass, bool]:
    """Count a command that changes nothing; return whether it is still to be answered in words."""
    answered = not _is_too_often(it, command)
    return _counted(it, _key(command)), answered


def carried_out(it: Pass, command: Command, notices: tuple[Notice, ...]) -> tuple[Pass, tuple[Notice, ...]]:
    """Count a pause or a resume that was carried out; return what is still told of it."""
    if command.name not in (CommandName.PAUSE, CommandName.RESUME):
        return it, notices
    key = _key(command, done=True)
    if not _is_often(it, key):
        return _counted(it, key), notices
    text = f"was carried out {MOST} times within an hour by {command.by or SOMEBODY}; it still is, without a word"
    return _contested(_counted(it, key), command, text)


def _counted(it: Pass, key: str) -> Pass:
    known = it.memory.repeats
    recent = tuple(at for at in known.get(key, ()) if it.now - at < WITHIN)
    others = {one: at for one, at in known.items() if one != key and it.now - at[-1] < WITHIN}
    newest = dict(sorted(others.items(), key=lambda one: one[1][-1])[1 - KEPT :])
    return it.on(remember(it.status, repeats={**newest, key: (*recent, it.now)[-MOST:]}))


def told(it: Pass, command: Command) -> tuple[Pass, tuple[Notice, ...]]:
    """Return what is said of a command that is answered no more: once an hour, and in the condition Contested."""
    if not _is_too_often(it, command):
        return it, ()
    text = (
        f"was given {MOST} times within an hour by {command.by or SOMEBODY} and changed nothing: from now on it is "
        "looked at once a minute, without a word"
    )
    return _contested(it, command, text)


def _contested(it: Pass, command: Command, what: str) -> tuple[Pass, tuple[Notice, ...]]:
    by = command.by or SOMEBODY
    it = it.on(noted(it, Reason.COMMAND_CONTESTED, f"the command `{command.text}`", by))
    last = it.memory.told.get(Reason.COMMAND_CONTESTED)
    if last is not None and not it.passed(last, WITHIN):
        return it, ()
    it = it.on(remember(it.status, told={**it.memory.told, Reason.COMMAND_CONTESTED: it.now}))
    text = f"`{command.text}` {what}; take the annotation out of what is applied"
    return it, (Notice(reason=Reason.COMMAND_CONTESTED, text=text, warning=True),)


def _is_too_often(it: Pass, command: Command) -> bool:
    return _is_often(it, _key(command))


def _is_often(it: Pass, key: str) -> bool:
    times = it.memory.repeats.get(key, ())
    return len(times) == MOST and it.now - times[0] < WITHIN


def _key(command: Command, *, done: bool = False) -> str:
    return f"{command.name or 'unknown'}{' done' if done else ''} {command.by}"
