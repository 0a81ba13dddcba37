"""A controller as Slack sees it, in virtual time: a status that takes receipts, and a workspace without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from canary.clients.slack import Slack
from canary.clients.slack_api import Refused, SlackSettings
from canary.ports import Bulletin, Card, Mood, Notification
from canary.rollout.model import Thread
from canary.sandbox.slack_workspace import Workspace
from tests.scenarios.slack import ask

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROLLOUT = "r1"
NOTICE = Notification(
    namespace="shop", canary="checkout", reason="Step", text="", failure=False, facts={}, rollout=ROLLOUT, at=NOW
)
CARD = Card(
    namespace="shop",
    canary="checkout",
    phase="Progressing",
    mood=Mood.RUNNING,
    revision="abc",
    image="shop/checkout:2.0",
    stable="old",
    weight=20,
    step=1,
    steps=(20, 50),
    checks=(),
    message="it waits",
    until=None,
    commands=(),
    started_at=NOW,
    ended_at=None,
)
SETTINGS = SlackSettings(token="t", channel="#default", mention="S0TEAM")


def now() -> datetime:
    """The time of a test, which begins at `NOW`."""
    return NOW + timedelta(seconds=asyncio.get_running_loop().time())


@dataclass(slots=True)
class Api:
    """A SlackApi on a workspace, with what was called when; `refused` are codes by method."""

    workspace: Workspace = field(default_factory=lambda: Workspace(now=now, channels=("default", "own")))
    calls: list[tuple[float, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.calls.append((asyncio.get_running_loop().time(), method))
        if method in self.refused:
            raise Refused(f"{method} is refused", self.refused[method])
        return await ask(self.workspace, method, arguments)


@dataclass(slots=True)
class Controller:
    """The part of a controller that Slack sees: a status that takes receipts, and passes when it is woken."""

    slack: Slack
    waiting: list[Notification] = field(default_factory=list)
    thread: Thread | None = None
    card: Card = CARD
    name: str = "checkout"
    rollout: str = ROLLOUT
    writes: int = 0
    _last: int = 0

    def __post_init__(self) -> None:
        self.slack.listen(lambda _, __: self.look())

    def say(self, text: str, **changes: Any) -> None:
        self._last += 1
        at = now()
        self.waiting.append(replace(NOTICE, canary=self.name, text=text, number=self._last, **{"at": at, **changes}))
        self.look(self._last)

    def look(self, sure_from: int | None = None) -> None:
        """Make a pass: write a receipt that is due or that comes along with something new, and hand over the rest."""
        receipt = self.slack.receipt("shop", self.name)
        if receipt is not None and (receipt.due or sure_from is not None):
            self.writes += 1
            self.waiting = [one for one in self.waiting if one.number > receipt.told]
            self.thread = receipt.thread
        self.tell(sure_from)

    def tell(self, sure_from: int | None = None) -> None:
        self.slack.tell(
            Bulletin(
                namespace="shop",
                canary=self.name,
                uid=f"u-{self.name}",
                now=now(),
                notices=tuple(self.waiting),
                sure_from=sure_from or self._last + 1,
                cards={self.rollout: replace(self.card, canary=self.name)},
                thread=self.thread,
            )
        )


def texts(workspace: Workspace) -> list[str]:
    return [one.text.rpartition("* ")[2] for one in workspace.messages if not one.blocks]
