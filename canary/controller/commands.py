"""Finds the command that a person left in an annotation, on the Canary or by hand on the Deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canary.controller.names import COMMAND, annotations_of
from canary.rollout.model import Command, CommandName, Status
from canary.rollout.phases import Phase
from canary.rollout.repeats import is_repeated
from meshes.contract import Manifest

LONGEST = 40


def command_on(
    canary: Manifest, target: Manifest | None, status: Status, target_key: str
) -> tuple[Command | None, Manifest | None]:
    """Return the command that waits, and the object whose annotation it is; of two an `abort`, else the Canary's.

    One that is given again and again, in vain, is not in the way of another.

    `target_key` is the key of the Deployment's present template. A command that came together with a template that was
    not there before is marked, since `kubectl rollout undo` brings old annotations back: the same writer set both.
    """
    found: list[tuple[Command, Manifest]] = []
    for holder in (canary, target):
        text = annotations_of(holder).get(COMMAND, "") if holder is not None else ""
        if holder is None or not text:
            continue
        writer = _writer(holder)
        with_template = holder is target and target_key != _last_seen(status) and _owns_template(writer)
        name = CommandName(text) if text in tuple(CommandName) else None
        by = str(writer.get("manager", ""))
        found.append((Command(name=name, text=text[:LONGEST], by=by, with_template=with_template), holder))
    return min(found, key=lambda one: _rank(one[0], status)) if found else (None, None)


def _rank(command: Command, status: Status) -> tuple[bool, bool]:
    """Return what makes a command come before another: the lower one does."""
    return command.name is not CommandName.ABORT, is_repeated(status, command)


def _last_seen(status: Status) -> str:
    """Return the key of the template that the Deployment had when it was last answered."""
    settled = status.phase in (None, Phase.INITIALIZING, Phase.INITIALIZED, Phase.SUCCEEDED)
    seen = status.stable if settled else status.revision
    return seen.key if seen else ""


def _writer(holder: Manifest) -> Mapping[str, Any]:
    """Return the entry of managedFields that set the command, empty when the API server does not tell."""
    field = f"f:{COMMAND}"
    entries: Sequence[Mapping[str, Any]] = holder["metadata"].get("managedFields") or ()
    for entry in entries:
        metadata = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
        if field in (metadata.get("f:annotations") or {}):
            return entry
    return {}


def _owns_template(writer: Mapping[str, Any]) -> bool:
    """Return whether a writer also set something in the pod template; true when that is not told."""
    fields = writer.get("fieldsV1")
    return fields is None or "f:template" in (fields.get("f:spec") or {})
