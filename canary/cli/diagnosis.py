"""What `canary doctor` finds: one line for each thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it is: as it should be, not so, or not looked at."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One thing: its name in kebab-case, which stays; what was seen; for a failed one what to do.

    For a skipped one `text` is the reason, and `remedy` how to have it looked at, "" where that is not needed.
    """

    name: str
    state: State
    text: str
    remedy: str = ""


def passed(name: str, text: str) -> Diagnosis:
    """Return that something is as it should be."""
    return Diagnosis(name=name, state=State.PASSED, text=text)


def failed(name: str, text: str, remedy: str) -> Diagnosis:
    """Return that something is not as it should be, and what to do."""
    return Diagnosis(name=name, state=State.FAILED, text=text, remedy=remedy)


def skipped(name: str, text: str, remedy: str = "") -> Diagnosis:
    """Return that something was not looked at, and why."""
    return Diagnosis(name=name, state=State.SKIPPED, text=text, remedy=remedy)
