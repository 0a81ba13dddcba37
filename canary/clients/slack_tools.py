"""What the boxes of all canaries share. Not its job: what is told when (slack_box.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from canary.clients.slack_api import Refused, SlackSettings
from canary.clients.slack_desk import Desk
from canary.clients.slack_gate import GatedPost
from canary.errors import Unavailable
from canary.ports import Notification


class Ledger(Protocol):
    """Who is told how each message fared."""

    def sent(self, notices: int) -> None:
        """So many notices are told."""

    def reached(self) -> None:
        """Slack took something."""

    def in_trouble(self, err: Unavailable) -> None:
        """Slack took nothing; it is tried again."""

    def dropped(self, notice: Notification, why: str) -> None:
        """One notice was given up."""

    def refused(self, notice: Notification, err: Refused, channel: str) -> None:
        """Slack will not take one notice."""

    def not_updated(self, err: Refused, channel: str) -> None:
        """Slack will not have a rollout's message changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What all boxes share. Exactly one of `desk` and `hook` is set; `wake` asks for a receipt to be written."""

    settings: SlackSettings
    desk: Desk | None
    hook: GatedPost | None
    ledger: Ledger
    wake: Callable[[str, str], None]
