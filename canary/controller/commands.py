"""Finds the command that a person left in an annotation, on the Canary or by hand on the Deployment."""

from __future__ import annotations

from canary.controller.names import COMMAND, annotations_of
from canary.rollout.model import Command, CommandName, Status
from canary.rollout.phases import Phase
from meshes.contract import Manifest

LONGEST = 40


def command_on(
    canary: Manifest, target: Manifest | None, status: Status, target_key: str
) -> tuple[Command | None, Manifest | None]:
    """Return the command that waits, and the object whose annotation it is; the Canary's goes first.

    `target_key` is the key of the Deployment's present template: one that came together with a template that was not
    there before is marked, since `kubectl rollout undo` brings old annotations back.
    """
    for holder in (canary, target):
        text = annotations_of(holder).get(COMMAND, "") if holder is not None else ""
        if holder is None or not text:
            continue
        with_template = holder is target and target_key != _last_seen(status)
        name = CommandName(text) if text in tuple(CommandName) else None
        return Command(name=name, text=text[:LONGEST], by=manager_of(holder), with_template=with_template), holder
    return None, None


def _last_seen(status: Status) -> str:
    """Return the key of the template that the Deployment had when it was last answered."""
    settled = status.phase in (None, Phase.INITIALIZING, Phase.INITIALIZED, Phase.SUCCEEDED)
    seen = status.stable if settled else status.revision
    return seen.key if seen else ""


def manager_of(holder: Manifest) -> str:
    """Return the field manager that set the command, "" when the API server does not tell."""
    field = f"f:{COMMAND}"
    for entry in holder["metadata"].get("managedFields") or ():
        metadata = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
        if field in (metadata.get("f:annotations") or {}):
            return str(entry.get("manager", ""))
    return ""
