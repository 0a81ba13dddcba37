"""What is remembered of telling people: the notices that nobody has told yet, and the message of the rollout.

They stand in the status, written together with what they tell about, so no crash between the two loses one. Not its
job: when they are sent and dropped (canary.controller.outbox).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A notice that waits to be told. Numbers rise by one within a Canary; `rollout` is "" outside of any."""

    number: int
    rollout: str
    at: datetime
    reason: str
    text: str
    warning: bool = False
    milestone: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """The message of one rollout where people read it: the channel's id and the message's, as Slack gave them.

    `asked` is the channel as it was named when the message was posted.
    """

    rollout: str
    channel: str
    ts: str
    asked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """`letters` are oldest first, `last` is the number of the newest that there ever was, told or not."""

    last: int = 0
    letters: tuple[Letter, ...] = ()
    thread: Thread | None = None
