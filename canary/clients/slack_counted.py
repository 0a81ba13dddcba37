"""Counts calls of Slack. It refuses with HTTP 200 too, so the code is ours: 4xx is what it refuses for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.clients.counted import counted
from canary.clients.slack_api import SlackApi
from canary.clients.slack_gate import Post
from canary.errors import Rejected
from canary.ports import OnRequest, Peer


@dataclass(frozen=True, slots=True)
class CountedApi:
    """A SlackApi that tells `on_request` of each call that another one makes, or tries to."""

    api: SlackApi
    on_request: OnRequest

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the other does."""
        with counted(self.on_request, Peer.SLACK, "call", method) as request:
            try:
                answer = await self.api.call(method, arguments)
            except Rejected:
                request.answered(400)
                raise
            request.answered(200)
            return answer


@dataclass(frozen=True, slots=True)
class CountedPost:
    """A webhook that tells `on_request` of each post that another one makes, or tries to."""

    hook: Post
    on_request: OnRequest

    async def post(self, body: Mapping[str, Any]) -> None:
        """As the other does."""
        with counted(self.on_request, Peer.SLACK, "call", "webhook") as request:
            try:
                await self.hook.post(body)
            except Rejected:
                request.answered(400)
                raise
            request.answered(200)
