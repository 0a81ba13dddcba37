"""The phases of a canary and the table of allowed transitions. Tests hold decide() to it; the diagram is drawn from it."""

from __future__ import annotations

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
