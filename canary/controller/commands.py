"""Finds the command that a person left in an annotation, on the Canary or by hand on the Deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canary.controller.names import COMMAND, annotations_of
from canary.rollout.model import Command, CommandName, Status
from canary.rollout.phases import Phase
from meshes.contract import Manifest

LONGEST = 40


def command_on(
    canary: Manifest, target: Manifest | None, status: Status, target_key: str
) -> tuple[Command | None, Manifest | None]:
    """Return the command that waits, and the object whose annotation it is; the Canary's goes first.

    `target_key` is the key of the Deployment's present template. A command that came together with a template that was
    not there before is marked, since `kubectl rollout undo` brings old annotations back: the same writer set both.
    """
    for holder in (canary, target):
        text = annotations_of(holder).get(COMMAND, "") if holder is not None else ""
        if holder is None or not text:
            continue
        writer = _writer(holder)
        with_template = holder is target and target_key != _last_seen(status) and _owns_template(writer)
        name = CommandName(text) if text in tuple(CommandName) else None
        by = str(writer.get("manager", ""))
        return Command(name=name, text=text[:LONGEST], by=by, with_template=with_template), holder
    return None, None


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
