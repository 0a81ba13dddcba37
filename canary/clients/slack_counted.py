"""Counts what is sent to Slack. It refuses with HTTP 200 too, so the code is ours: 4xx is what it refuses for good."""

from __future__ import annotations

from dataclasses import dataclass

from canary.clients.counted import counted
from canary.clients.slack_api import Sender
from canary.clients.slack_message import SlackMessage
from canary.errors import Rejected
from canary.ports import OnRequest, Peer


@dataclass(frozen=True, slots=True)
class CountedSender:
    """A Sender that tells `on_request` of each message that another one sends, or tries to."""

    sender: Sender
    on_request: OnRequest

    async def send(self, channel: str, message: SlackMessage) -> None:
        with counted(self.on_request, Peer.SLACK, "send", "message") as request:
            try:
                await self.sender.send(channel, message)
            except Rejected:
                request.answered(400)
                raise
            request.answered(200)

    async def check(self) -> None:
        await self.sender.check()
