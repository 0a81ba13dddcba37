"""What a bot does in Slack: post, update, and look whether something is there already. One place for all canaries.

Slack limits each method by itself, so each has a gate of its own that keeps to Retry-After
(https://docs.slack.dev/apis/web-api/rate-limits). Not its job: what is told when (slack_box.py).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from canary.clients.once import Once
from canary.clients.slack_api import Refused, SlackApi
from canary.errors import Unavailable
from canary.rollout.wording import fitted

_log = structlog.get_logger(__name__)

EVENT_TYPE = "canary_rollout"
SKEW = timedelta(minutes=10)
"""How far Slack's clock and the cluster's may be apart when the history is searched."""

PAGE = 200
MOST_PAGES = 20
LONGEST_ID = 100
WIDTH = {"chat.postMessage": 4}
"""How many calls of a method run at once; 1 where nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Where a message is, as Slack says: the channel's id and the message's."""

    channel: str
    ts: str


class Desk:
    """Makes the calls. Each raises `Unavailable` or `Refused` as `SlackApi` does."""

    def __init__(self, api: SlackApi) -> None:
        self._api = api
        self._gates: dict[str, _Gate] = {}
        self._told_unreadable = Once()

    async def post(self, body: Mapping[str, Any], *, channel: str, mark: str, **more: Any) -> Posted:
        """Post a message that carries `mark` in its metadata; `more` are further arguments of chat.postMessage."""
        answer = await self._call(
            "chat.postMessage",
            {
                **body,
                **more,
                "channel": channel,
                "metadata": _metadata(mark),
                "unfurl_links": False,
                "unfurl_media": False,
            },
        )
        return _posted(answer.get("channel") or channel, answer.get("ts", ""))

    async def update(self, body: Mapping[str, Any], *, at: Posted, mark: str) -> None:
        """Put another text in the place of a message's."""
        await self._call("chat.update", {**body, "channel": at.channel, "ts": at.ts, "metadata": _metadata(mark)})

    async def find(self, mark: str, *, channel: str, thread: Posted | None, since: datetime) -> Posted | None:
        """Return the message with that mark, in the channel or in a thread; None when there is none.

        None too when the history may not be read, which is logged once: what is in doubt is then posted again.
        """
        try:
            at = thread.channel if thread else await self._id_of(channel)
            if not at:
                return None
            oldest = f"{(since - SKEW).timestamp():.6f}"
            method, more = ("conversations.replies", {"ts": thread.ts}) if thread else ("conversations.history", {})
            arguments = {"channel": at, "oldest": oldest, "include_all_metadata": True, "limit": PAGE, **more}
            async for message in self._pages(method, arguments, "messages"):
                if _mark_of(message) == mark:
                    return _posted(at, message.get("ts", ""))
        except Refused as err:
            self._unreadable(str(err), err.code)
        return None

    async def check(self) -> None:
        """Return if Slack knows the token."""
        await self._call("auth.test", {})

    async def _id_of(self, channel: str) -> str:
        """Return the id of a channel, "" when it is not found. Only ids can be read from."""
        if re.fullmatch(r"[CDG][A-Z0-9]{7,}", channel):
            return channel
        arguments = {"limit": PAGE, "exclude_archived": True, "types": "public_channel,private_channel"}
        async for one in self._pages("conversations.list", arguments, "channels"):
            if one.get("name") == channel.removeprefix("#"):
                return str(one.get("id", ""))[:LONGEST_ID]
        return ""

    async def _pages(self, method: str, arguments: Mapping[str, Any], field: str) -> AsyncIterator[Mapping[str, Any]]:
        cursor = ""
        for _ in range(MOST_PAGES):
            answer = await self._call(method, {**arguments, **({"cursor": cursor} if cursor else {})})
            listed, more = answer.get(field), answer.get("response_metadata")
            for one in listed if isinstance(listed, list) else ():
                if isinstance(one, Mapping):
                    yield one
            cursor = str(more.get("next_cursor") or "") if isinstance(more, Mapping) else ""
            if not cursor:
                return

    async def _call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        gate = self._gates.setdefault(method, _Gate(WIDTH.get(method, 1)))
        return await gate.call(self._api, method, arguments)

    def _unreadable(self, why: str, code: str) -> None:
        if self._told_unreadable.is_new(code):
            _log.warning("slack_history_not_read", why=why, follows="a message in doubt is posted once more")


class _Gate:
    def __init__(self, width: int) -> None:
        self._room = asyncio.Semaphore(width)
        self._closed_until = 0.0

    async def call(self, api: SlackApi, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        async with self._room:
            await asyncio.sleep(max(0.0, self._closed_until - loop.time()))
            try:
                return await api.call(method, arguments)
            except Unavailable as err:
                if err.retry_after is not None:
                    self._closed_until = max(self._closed_until, loop.time() + err.retry_after)
                raise


def _posted(channel: Any, ts: Any) -> Posted:
    """Return where a message is; it goes into the status, so neither part is longer than Slack's ever are."""
    return Posted(channel=fitted(str(channel), LONGEST_ID), ts=fitted(str(ts), LONGEST_ID))


def _metadata(mark: str) -> dict[str, Any]:
    return {"event_type": EVENT_TYPE, "event_payload": {"id": mark}}


def _mark_of(message: Mapping[str, Any]) -> str:
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, Mapping) else None
    return str(payload.get("id", "")) if isinstance(payload, Mapping) else ""
