"""How much of a hurry a pass is: who comes before whom where many canaries wait.

Not its job: the order among those of equal haste (queue), and whom a change concerns (watch).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from canary.controller.names import COMMAND, TARGET, annotations_of, labels_of
from canary.controller.pods import is_ready, trouble
from canary.ports import CANARY, DEPLOYMENT, POD, Change, Watched
from meshes.contract import Manifest


class Haste(IntEnum):
    """Passes of a lower number begin before all of a higher one."""

    FIRST = 0
    """Traffic may have to be taken away: a check fails, a pod fails, somebody commands."""
    NEWS = 1
    """Somebody asks for something: a new version."""
    REST = 2
    """All else: looks at the clock, answers without a fault, what follows from our own writes."""


def haste_of(event: Watched, before: Manifest | None) -> Haste:
    """Return the haste of a change of an object whose state before is known for Deployments and pods; None for new.

    What cannot be told, of an object in a form that Kubernetes does not write, is in a hurry.
    """
    try:
        return _haste_of(event, before)
    except (LookupError, TypeError, ValueError, AttributeError):
        return Haste.FIRST


def of_version(haste: Haste, canary: Manifest | None) -> Haste:
    """Return the haste for one canary: a new version where one has traffic takes that away, as a revert does."""
    return Haste.FIRST if haste is Haste.NEWS and canary is not None and _has_traffic(canary) else haste


def _haste_of(event: Watched, before: Manifest | None) -> Haste:
    kind, manifest = event.ref.kind, event.manifest
    if kind in (CANARY, DEPLOYMENT) and annotations_of(manifest).get(COMMAND):
        return Haste.FIRST
    if kind == CANARY:
        came = event.change is Change.ADDED and _has_traffic(manifest)  # as when this process begins
        return Haste.FIRST if came else Haste.REST
    if kind == POD and before is not None and _fails(before, manifest):
        return Haste.FIRST
    if kind == DEPLOYMENT and before is not None and not labels_of(manifest).get(TARGET):
        return Haste.REST if before["spec"].get("template") == manifest["spec"].get("template") else Haste.NEWS
    return Haste.REST


def _has_traffic(canary: Manifest) -> bool:
    status = canary.get("status")
    return isinstance(status, Mapping) and bool(status.get("weight"))


def _fails(before: Manifest, pod: Manifest) -> bool:
    """Return whether something went wrong with a pod that is not on its way out."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    was, now = (trouble((one,), None, None) for one in (before, pod))
    worse = now.restarts > was.restarts or now.because not in ("", was.because)
    return worse or (is_ready(before) and not is_ready(pod))
