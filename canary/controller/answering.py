"""When the annotation of a command goes: once it was carried out and what came of it stands in Events.

Whoever commanded waits for that, but nobody's traffic depends on it: while canaries wait for a pass, it is left to the
next one of this canary, which finds the command obeyed already. Not its job: obeying (canary.rollout.commands).
"""

from __future__ import annotations

from collections.abc import Callable

from canary.controller.act import Act
from canary.controller.names import COMMAND, annotations_of, resource_version
from canary.ports import ref_of
from canary.rollout.model import Decision, Status

Busy = Callable[[], bool]
"""Whether canaries wait for a pass."""


def is_answered_now(before: Status, decision: Decision, busy: Busy) -> bool:
    """Return whether this pass is to answer the command that it saw; a command waits for one pass, never longer."""
    if not decision.drop_command:
        return False
    just_obeyed = decision.status.memory.pending != before.memory.pending
    return not (just_obeyed and busy())


async def drop_command(act: Act) -> None:
    """Take the annotation of the command away, from the object as this pass left it."""
    holder = act.seen.command_at
    if holder is None:
        return
    latest = act.canary if ref_of(holder) == ref_of(act.canary) else act.target
    if latest is not None and COMMAND in annotations_of(latest):
        patch = {"metadata": {"annotations": {COMMAND: None}}}
        await act.cluster.patch(ref_of(latest), patch, resource_version=resource_version(latest))
