"""What a bot does in Slack: post, update, and look whether something is there already. One place for all canaries.

Slack limits each method by itself, and messages by channel, so each has a gate of its own (slack_gate.py). Not its job:
what is told when (slack_box.py).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from canary.clients.once import Once
from canary.clients.slack_api import Refused, SlackApi
from canary.clients.slack_gate import TIER_2_APART_S, TIER_3_APART_S, Channels, Gate
from canary.rollout.wording import fitted

_log = structlog.get_logger(__name__)

EVENT_TYPE = "canary_rollout"
SKEW = timedelta(minutes=10)
"""How far Slack's clock and the cluster's may be apart when the history is searched."""

PAGE = 200
MOST_PAGES = 20
LONGEST_ID = 100

TYPES = ("public_channel", "private_channel")
"""Asked for one by one: each needs a scope of its own, and Slack refuses the whole list for one that is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Where a message is, as Slack says: the channel's id and the message's."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a message carries in its metadata, to be known by after a crash.

    `of` is the Canary's uid. `name` is a rollout's, for its card, or the number of a notice; a message that tells
    several notices has the first one's, and the number of the last.
    """

    of: str
    name: str
    last: int = 0

    def metadata(self) -> dict[str, Any]:
        """Return it in Slack's form."""
        more = {"last": self.last} if self.last else {}
        return {"event_type": EVENT_TYPE, "event_payload": {"id": f"{self.of}/{self.name}", **more}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A message that is there, and the number of the last notice that it tells, 0 for a card."""

    at: Posted
    last: int


class Desk:
    """Makes the calls. Each raises `Unavailable` or `Refused` as `SlackApi` does."""

    def __init__(self, api: SlackApi) -> None:
        self._api = api
        self._channels = Channels()
        self._gates = {
            "auth.test": Gate(),
            "chat.postMessage": Gate(width=4),
            "chat.update": Gate(apart_s=TIER_3_APART_S),
            "conversations.history": Gate(apart_s=TIER_3_APART_S),
            "conversations.list": Gate(apart_s=TIER_2_APART_S),
            "conversations.replies": Gate(apart_s=TIER_3_APART_S),
        }
        self._told_unreadable = Once()

    async def post(self, body: Mapping[str, Any], *, channel: str, mark: Mark) -> Posted:
        """Post a message that carries `mark` in its metadata."""
        return await self.post_newest(lambda: (body, mark), channel=channel)

    async def post_newest(self, message: Callable[[], tuple[Mapping[str, Any], Mark]], *, channel: str) -> Posted:
        """Post a message as it is once it may be sent: its arguments of chat.postMessage, and its mark."""
        async with self._channels.turn(channel), self._gates["chat.postMessage"].turn():
            body, mark = message()
            more = {"channel": channel, "metadata": mark.metadata(), "unfurl_links": False, "unfurl_media": False}
            answer = await self._api.call("chat.postMessage", {**body, **more})
        at = _posted(answer.get("channel") or channel, answer.get("ts", ""))
        self._channels.learn(channel, at.channel)
        return at

    async def update(
        self, body: Callable[[], Mapping[str, Any]], *, at: Posted, mark: Mark, urgent: bool
    ) -> Mapping[str, Any]:
        """Put another text in the place of a message's, as it is once it may be sent; return that text."""
        async with self._gates["chat.update"].turn(urgent=urgent):
            newest = body()
            told = {**newest, "channel": at.channel, "ts": at.ts, "metadata": mark.metadata()}
            await self._api.call("chat.update", told)
        return newest

    async def find(self, mark: Mark, *, channel: str, thread: Posted | None, since: datetime) -> Found | None:
        """Return the message with that mark, in the channel or in a thread; None when there is none.

        A notice's number is found in the message that tells several too. None also when the history may not be read,
        which is logged once: what is in doubt is then posted again.
        """
        try:
            at = thread.channel if thread else await self._id_of(channel)
            if not at:
                return None
            oldest = f"{(since - SKEW).timestamp():.6f}"
            method, more = ("conversations.replies", {"ts": thread.ts}) if thread else ("conversations.history", {})
            arguments = {"channel": at, "oldest": oldest, "include_all_metadata": True, "limit": PAGE, **more}
            async for message in self._pages(method, arguments, "messages"):
                last = _covered(message, mark)
                if last is not None:
                    return Found(at=_posted(at, message.get("ts", "")), last=last)
        except Refused as err:
            self._channels.forget(channel)
            self._unreadable(str(err), err.code)
        return None

    async def check(self) -> None:
        """Return if Slack knows the token."""
        await self._call("auth.test", {})

    async def _id_of(self, channel: str) -> str:
        """Return the id of a channel, "" when it is not found. Only ids can be read from."""
        known = self._channels.id_of(channel)
        if re.fullmatch(r"[CDG][A-Z0-9]{7,}", known):
            return known
        for types in TYPES:
            try:
                found = await self._listed(channel.removeprefix("#"), types)
            except Refused as err:
                self._unreadable(str(err), f"{err.code} {types}")
                continue
            if found:
                self._channels.learn(channel, found)
                return found
        return ""

    async def _listed(self, name: str, types: str) -> str:
        arguments = {"limit": PAGE, "exclude_archived": True, "types": types}
        async for one in self._pages("conversations.list", arguments, "channels"):
            if one.get("name") == name:
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
        async with self._gates[method].turn():
            return await self._api.call(method, arguments)

    def _unreadable(self, why: str, code: str) -> None:
        if self._told_unreadable.is_new(code):
            _log.warning("slack_history_not_read", why=why, follows="a message in doubt is posted once more")


def _posted(channel: Any, ts: Any) -> Posted:
    """Return where a message is; it goes into the status, so neither part is longer than Slack's ever are."""
    return Posted(channel=fitted(str(channel), LONGEST_ID), ts=fitted(str(ts), LONGEST_ID))


def _covered(message: Mapping[str, Any], mark: Mark) -> int | None:
    """Return the number of the last notice that a message tells, 0 for a card, None when it does not carry the mark."""
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, Mapping) else None
    if not isinstance(payload, Mapping):
        return None
    of, _, name = str(payload.get("id", "")).rpartition("/")
    if of != mark.of or not (name.isdecimal() and mark.name.isdecimal()):
        return 0 if (of, name) == (mark.of, mark.name) else None
    told = payload.get("last")
    first, last, sought = int(name[:18]), told if isinstance(told, int) else 0, int(mark.name)
    return max(first, last) if first <= sought <= max(first, last) else None
