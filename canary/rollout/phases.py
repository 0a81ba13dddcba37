"""The phases of a canary and the table of allowed transitions.

Tests hold decide() to the table, and the diagram over decide() is drawn from it. What happens within a phase is not
told here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a canary stands, as users see it (CONTRACT: `status.phase`)."""

    INITIALIZING = "Initializing"
    INITIALIZED = "Initialized"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    PROMOTING = "Promoting"
    FINALIZING = "Finalizing"
    SUCCEEDED = "Succeeded"
    ROLLING_BACK = "RollingBack"
    FAILED = "Failed"

    @property
    def at_rest(self) -> bool:
        """True in Initialized, Succeeded and Failed: no rollout runs."""
        return self in (Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED)


@dataclass(frozen=True, slots=True)
class Transition:
    """One allowed change of phase. `start` is None for a canary never looked at; `when` says what brings it."""

    start: Phase | None
    end: Phase
    when: str


def _from_each(starts: tuple[Phase, ...], end: Phase, when: str) -> tuple[Transition, ...]:
    return tuple(Transition(start, end, when) for start in starts)


_REST = (Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED)
_ANALYSIS = (Phase.PROGRESSING, Phase.PAUSED)

TRANSITIONS: tuple[Transition, ...] = (
    Transition(None, Phase.INITIALIZING, "a Canary appears"),
    Transition(Phase.INITIALIZING, Phase.INITIALIZED, "the primary serves, the candidate is at 0"),
    *_from_each(_REST, Phase.PROGRESSING, "a new revision, or retry"),
    Transition(Phase.PROGRESSING, Phase.PAUSED, "a pause step or command"),
    Transition(Phase.PAUSED, Phase.PROGRESSING, "resume, or a newer revision"),
    *_from_each(_ANALYSIS, Phase.ROLLING_BACK, "checks or pods fail, or abort"),
    *_from_each(_ANALYSIS, Phase.FINALIZING, "the revision is the stable one again"),
    *_from_each(_ANALYSIS, Phase.PROMOTING, "all passed, promote, or skip-analysis"),
    Transition(Phase.PROMOTING, Phase.FINALIZING, "the primary is rolled out and ready"),
    Transition(Phase.PROMOTING, Phase.ROLLING_BACK, "the primary is late, the canary fails, or abort"),
    Transition(Phase.FINALIZING, Phase.SUCCEEDED, "drained, the candidate is at 0"),
    Transition(Phase.ROLLING_BACK, Phase.FAILED, "drained, the candidate is at 0"),
    Transition(Phase.FAILED, Phase.SUCCEEDED, "the revision is the stable one again"),
    *_from_each(_REST, Phase.INITIALIZING, "-primary was deleted, leaving was taken back, or the target came anew"),
)
"""Every allowed change of phase. Staying is always allowed, and so is going: a Canary can leave from any phase."""


def allowed(start: Phase | None, end: Phase | None) -> bool:
    """Return whether a canary may go from `start` to `end` in one pass; staying is allowed."""
    return start == end or any(row.start == start and row.end == end for row in TRANSITIONS)
