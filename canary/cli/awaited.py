"""When a wait for a rollout is over, and how it ended. Pure: objects in, a standing out.

A wait is for what the Deployment was at its beginning: a later push neither fulfils it nor prolongs it for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from canary.cli.unready import with_fault
from canary.controller.revisions import digest
from canary.rollout.model import Outcome, Past, Revision, Status
from canary.rollout.phases import Phase
from canary.spec.status import status_from_json
from meshes.contract import Manifest


class Result(StrEnum):
    """How a wait ended."""

    PROMOTED = "promoted"
    ENDED = "ended"
    TIMED_OUT = "timed_out"

    @property
    def exit_status(self) -> int:
        """The exit status of `canary wait`: 0, 1 and 3."""
        return {Result.PROMOTED: 0, Result.ENDED: 1, Result.TIMED_OUT: 3}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a wait stands: one sentence, and how it ended, None while it goes on."""

    text: str
    result: Result | None = None
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What is waited for: an image or a revision as shown, or with both "" what the Deployment is at the beginning."""

    image: str = ""
    revision: str = ""


class Awaited:
    """One wait. It remembers what it is bound to: the generation and template, then the revision that answers them."""

    def __init__(self, aim: Aim) -> None:
        self._aim = aim
        self._generation: int | None = None
        self._digest = ""
        self._found: Revision | None = None
        self._seen = False

    def look(self, canary: Manifest | None, deployment: Manifest | None) -> Standing:
        """Return where it stands. Raises ConfigError when the status cannot be read, or was written by a newer one."""
        if canary is None:
            return _ended("the Canary is gone") if self._seen else Standing(text="there is no Canary yet")
        self._seen = True
        if deployment is None:
            return _ended("the Deployment is gone")
        self._bind(deployment)
        status = status_from_json(canary.get("status"))
        if self._found is None:
            missing = self._find(status, deployment)
            if missing is not None:
                return missing
        assert self._found is not None
        return self._outcome(status, self._found)

    def _bind(self, deployment: Manifest) -> None:
        """Bind to the first Deployment that was seen; with an image, to the first that has it."""
        if self._generation is None and (not self._aim.image or self._aim.image in _images(deployment)):
            self._generation = int(deployment["metadata"]["generation"])
            self._digest = digest(deployment["spec"]["template"])

    def _find(self, status: Status, deployment: Manifest) -> Standing | None:
        """Find the revision that is waited for; return what is still missing, None once it is found."""
        known = [one for one in (status.revision, status.stable) if one is not None]
        if self._aim.revision:
            self._found = next((one for one in known if _is_named(one, self._aim.revision)), None)
            shown = known[0].shown if known else "none yet"
            return None if self._found else _going(status, f"waits for {self._aim.revision}, the revision is {shown}")
        if self._generation is None:
            there = ", ".join(_images(deployment)) or "none"
            return _going(status, f"waits for the image {self._aim.image}, the Deployment has {there}")
        if status.target_generation < self._generation or status.phase is None:
            return _going(status, f"generation {self._generation} is not taken up yet")
        self._found = next((one for one in known if one.digest == self._digest), None)
        if self._found is None:
            shown = known[0].shown if known else "another"
            return _ended(f"a later revision came before generation {self._generation} was looked at: {shown}")
        return None

    def _outcome(self, status: Status, wanted: Revision) -> Standing:
        tested = status.revision is not None and status.revision.key == wanted.key
        serves = status.stable is not None and status.stable.key == wanted.key
        phase = status.phase
        if serves:
            # A later revision under test says that this one came to its end, however quickly.
            if (phase is not None and phase.at_rest) or (not tested and phase in _UNDER_TEST):
                text = f"{wanted.shown} serves: {status.message}" if phase in _RESTED else f"{wanted.shown} serves"
                return Standing(text=text, result=Result.PROMOTED, revision=wanted.shown)
            return _going(status, "")
        if tested:
            over = phase is not None and phase.at_rest
            return _ended(status.message, wanted) if over else _going(status, "")
        past = next((one for one in status.history if one.revision == wanted.shown), None)
        return _ended(_told(past, status), wanted)


_UNDER_TEST = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING, Phase.ROLLING_BACK)
_RESTED = (Phase.INITIALIZED, Phase.SUCCEEDED)


def _told(past: Past | None, status: Status) -> str:
    newer = status.revision.shown if status.revision else "another"
    if past is None:
        return f"a later revision took its place: {newer}"
    took_over = f"; {newer} came later" if past.outcome is not Outcome.SUPERSEDED else ""
    return f"{past.message}{took_over}"


def _ended(text: str, revision: Revision | None = None) -> Standing:
    return Standing(text=text, result=Result.ENDED, revision=revision.shown if revision else "")


def _going(status: Status, missing: str) -> Standing:
    """Return a line of progress: where the canary stands, and what is missing."""
    phase = status.phase.value if status.phase else "not looked at yet"
    shown = status.revision.shown if status.revision else ""
    message = with_fault(status)
    told = f"{phase}, {status.weight} %: {message}" if message else phase
    return Standing(text=f"{told}; {missing}" if missing else told, revision=shown)


def _is_named(revision: Revision, name: str) -> bool:
    return name in (revision.shown, revision.pin, revision.key)


def _images(deployment: Mapping[str, Any]) -> list[str]:
    return [str(one.get("image", "")) for one in deployment["spec"]["template"]["spec"].get("containers") or ()]
