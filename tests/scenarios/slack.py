"""Slack in a scenario: the stand-in's workspace without sockets, so that virtual time moves it, and what can go wrong.

One workspace outlives the controllers; each controller has a line of its own to it, which can be cut.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from canary.clients.slack import Slack
from canary.clients.slack_api import SlackSettings, fault_of
from canary.errors import Unavailable
from canary.sandbox.slack_workspace import WEBHOOK_CHANNEL, PostedMessage, Workspace
from tests.scenarios.branches import Branches
from tests.scenarios.stage import Stage

CHANNEL = "#releases"
SETTINGS = SlackSettings(token="xoxb-t", channel=CHANNEL, mention="S0TEAM")
WEBHOOK = SlackSettings(webhook_url="https://hooks.slack.example/services/T0/B0/x", mention="S0TEAM")

FOUL = 0.15
"""The share of calls that fail, before and after their effect each, while Slack is foul."""


async def ask(workspace: Workspace, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Call the workspace as `WebApi` calls Slack, with its errors."""
    await asyncio.sleep(workspace.weather.slow)
    answer = workspace.answer(method, arguments)
    if answer.status == 200 and answer.body.get("ok"):
        return answer.body
    raise fault_of(f"Slack's {method}", str(answer.body.get("error", "")), answer.status, answer.headers)


async def drop_into(workspace: Workspace, body: Mapping[str, Any]) -> None:
    """Post to the workspace by its webhook, with the errors of `Webhook`."""
    await asyncio.sleep(workspace.weather.slow)
    refused = workspace.rough() or workspace.too_often(WEBHOOK_CHANNEL)
    if refused is not None:
        raise fault_of("the message to Slack's webhook", "", refused.status, refused.headers)
    workspace.keep(WEBHOOK_CHANNEL, body)


@dataclass(slots=True)
class Line:
    """One controller's way to Slack: a SlackApi, and a webhook. What it does when it is cut is the controller's end."""

    workspace: Workspace
    after: Callable[[], Awaitable[None]]
    before: Callable[[], None] = lambda: None
    dead: bool = False

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.dead:
            await asyncio.Event().wait()
        self.before()
        answer = await ask(self.workspace, method, arguments)
        await self.after()
        return answer

    async def post(self, body: Mapping[str, Any]) -> None:
        if self.dead:
            await asyncio.Event().wait()
        self.before()
        await drop_into(self.workspace, body)
        await self.after()


@dataclass(slots=True)
class Office:
    """The workspace of a stage, and the controllers' lines to it. `calls` counts all that Slack answered."""

    stage: Stage
    workspace: Workspace = field(init=False)
    settings: SlackSettings = SETTINGS
    lines: list[Line] = field(default_factory=list)
    senders: list[Slack] = field(default_factory=list)
    calls: int = 0
    kill_at: int = 0
    branches: Branches | None = None
    """With branches, the newest controller is killed at each call, in a branch each."""
    died_at: int = 0
    """At which call a controller was killed."""
    answer_is_lost: bool = False
    dice: random.Random | None = None
    """With dice, Slack is foul: calls fail before and after their effect, and now and then it limits."""

    def __post_init__(self) -> None:
        self.workspace = Workspace(now=self.stage.cluster.clock.now, channels=("general", "releases"))
        self.stage.notifier = self.connect

    def connect(self) -> Slack:
        """Return a notifier for a new controller."""
        line = Line(self.workspace, self._answered, self._asked)
        self.lines.append(line)
        self.senders.append(Slack(self.settings, api=line, hook=line))
        return self.senders[-1]

    def _asked(self) -> None:
        if self.dice is not None and self.dice.random() < FOUL:
            if self.dice.random() < 0.5:
                raise Unavailable("Slack cannot be reached")
            self.workspace.weather.rate_limited, self.workspace.weather.retry_after = 1, 3

    async def _answered(self) -> None:
        self.calls += 1
        if self.dice is not None and self.dice.random() < FOUL:
            raise Unavailable("the answer was lost", outcome_unknown=True)
        if self._dies():
            self.died_at = self.calls
            self.kill()
            self.stage.start()
            if self.answer_is_lost:
                await asyncio.Event().wait()

    def _dies(self) -> bool:
        if self.branches is not None:
            return self.branches.begin(f"killed at call {self.calls}")
        return self.calls == self.kill_at

    def kill(self) -> None:
        """End the newest controller as SIGKILL does: no write and no call of it happens any more."""
        client = self.stage.client
        client.before = client.after = _hang
        self.lines[-1].dead = True
        self.stage.controllers[-1].kill()

    async def close(self) -> None:
        for sender in self.senders:
            await sender.aclose()

    # --- what is to be seen ------------------------------------------------------------------------------------------

    @property
    def messages(self) -> list[PostedMessage]:
        return self.workspace.messages

    @property
    def cards(self) -> list[PostedMessage]:
        """The messages of rollouts: those with blocks of their own."""
        return [one for one in self.messages if one.blocks]

    def thread(self, card: PostedMessage) -> list[str]:
        """The reasons that a card's thread tells, in order; `+` where the channel is shown it too."""
        replies = [one for one in self.messages if one.thread_ts == card.ts]
        return [reason_of(one) + ("+" if one.broadcast else "") for one in replies]

    @property
    def repeats(self) -> int:
        """How many messages are there that were there before."""
        marks = sorted(str(one.metadata["event_payload"]["id"]) for one in self.messages)
        return len(marks) - len(list(groupby(marks)))


def reason_of(message: PostedMessage) -> str:
    """The reason in the last line of a message that is not a card."""
    return message.plain().splitlines()[-1]


async def _hang(_: object) -> None:
    await asyncio.Event().wait()
