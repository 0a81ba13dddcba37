"""One workspace of the stand-in for Slack, without HTTP: channels, messages, threads, scopes, and the methods' answers.

It knows the methods that canary uses, refuses what Slack refuses (slack_limits.py), and can be made slow, down,
rate-limiting or short of a scope. Answers have Slack's form; timestamps count up, so that runs are alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canary.sandbox.slack_limits import fault
from canary.sandbox.slack_text import plain

WEBHOOK_CHANNEL = "webhook"
FIRST_TS = 1_700_000_000

SCOPES = {
    "auth.test": (),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": ("channels:history",),
    "conversations.list": ("channels:read",),
    "conversations.replies": ("channels:history",),
}
"""The methods that are known, and the scopes that each needs."""

ALL_SCOPES = frozenset(scope for scopes in SCOPES.values() for scope in scopes)


@dataclass(slots=True, kw_only=True)
class PostedMessage:
    """One message as Slack would keep it. `edits` counts its updates; `thread_ts` is "" outside a thread.

    `broadcast`: a reply that is shown in the channel too. `shown` is its text after each post and update.
    """

    channel: str
    ts: str
    text: str
    attachments: Sequence[Mapping[str, Any]]
    blocks: Sequence[Mapping[str, Any]]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    thread_ts: str = ""
    broadcast: bool = False
    edits: int = 0
    deleted: bool = False

    def plain(self) -> str:
        """Return the message as lines for a terminal: emphasis taken away, mentions as @name, facts one a line."""
        return plain(self.text, self.blocks, self.attachments)


@dataclass(slots=True, kw_only=True)
class Weather:
    """How Slack feels. `slow` is the seconds before each answer, `down` answers HTTP 503, and each of the next
    `rate_limited` requests is answered HTTP 429 with `Retry-After: retry_after`."""

    slow: float = 0.0
    down: bool = False
    rate_limited: int = 0
    retry_after: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Slack answers over HTTP."""

    body: Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Workspace:
    """Slack as it stands: `messages` in the order in which they were first posted; the rest may be set at any time.

    `channels` are by name, without `#`; their ids are made from their place. `members`: the channels that the bot is
    in, None for all.
    """

    channels: Sequence[str]
    scopes: frozenset[str] = ALL_SCOPES
    archived: frozenset[str] = frozenset()
    members: frozenset[str] | None = None
    weather: Weather = field(default_factory=Weather)
    messages: list[PostedMessage] = field(default_factory=list)
    listeners: list[Callable[[PostedMessage], None]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    _serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def subscribe(self, listener: Callable[[PostedMessage], None]) -> None:
        """Call `listener` for each message that is posted or updated from now on."""
        self.listeners.append(listener)

    def id_of(self, channel: str) -> str:
        """Return the id of a channel that is named by its name or id, "" when there is none."""
        ids = {f"C{number:08}": name for number, name in enumerate(self.channels, start=1)}
        if channel in ids:
            return channel
        return next((one for one, name in ids.items() if name == channel.removeprefix("#")), "")

    def name_of(self, channel: str) -> str:
        """Return the name of a channel that is named by its name or id."""
        return self.channels[int(self.id_of(channel)[1:]) - 1]

    def rough(self) -> Answer | None:
        """Return the answer that the weather gives to the next request, None in fair weather."""
        if self.weather.down:
            return Answer(status=503, body={})
        if self.weather.rate_limited:
            self.weather.rate_limited -= 1
            headers = {"Retry-After": str(self.weather.retry_after)}
            return Answer(status=429, body={"ok": False, "error": "ratelimited"}, headers=headers)
        return None

    def answer(self, method: str, arguments: Mapping[str, Any]) -> Answer:
        """Return the answer to a call by somebody whose token is good, with what it does done."""
        self.calls.append(method)
        rough = self.rough()
        if rough is not None:
            return rough
        if method not in SCOPES:
            return error("unknown_method")
        missing = [scope for scope in SCOPES[method] if scope not in self.scopes]
        if missing:
            return error("missing_scope", needed=",".join(missing), provided=",".join(sorted(self.scopes)))
        if method == "auth.test":
            return ok(team="Sandbox", user="canary", bot_id="B0")
        if method == "conversations.list":
            return self._list()
        channel = self.id_of(str(arguments.get("channel", "")))
        if not channel:
            return error("channel_not_found")
        return self._in_channel(method, channel, arguments)

    def _in_channel(self, method: str, channel: str, arguments: Mapping[str, Any]) -> Answer:
        name = self.name_of(channel)
        if self.members is not None and name not in self.members:
            return error("not_in_channel")
        match method:
            case "chat.postMessage":
                return error("is_archived") if name in self.archived else self._post(channel, arguments)
            case "chat.update":
                return self._update(channel, arguments)
            case "conversations.replies":
                return self._replies(channel, arguments)
            case _:
                return self._history(channel, arguments)

    def _post(self, channel: str, body: Mapping[str, Any]) -> Answer:
        found = fault(body)
        if found:
            return error(found)
        message = self.keep(channel, body)
        return ok(channel=channel, ts=message.ts, message=_shown(message, metadata=True))

    def _update(self, channel: str, body: Mapping[str, Any]) -> Answer:
        if str(body.get("channel")) != channel:
            return error("channel_not_found")  # unlike posting, updating takes ids only
        message = self._at(channel, str(body.get("ts")))
        if message is None:
            return error("message_not_found")
        found = fault(body)
        if found:
            return error(found)
        message.text = str(body.get("text", ""))
        message.attachments, message.blocks = body.get("attachments") or (), body.get("blocks") or ()
        message.metadata = body.get("metadata", message.metadata)
        message.edits += 1
        self._tell(message)
        return ok(channel=channel, ts=message.ts, text=message.text)

    def keep(self, channel: str, body: Mapping[str, Any]) -> PostedMessage:
        """Keep a message that is within the limits."""
        message = PostedMessage(
            channel=channel,
            ts=f"{FIRST_TS + next(self._serial)}.000100",
            text=str(body.get("text", "")),
            attachments=body.get("attachments") or (),
            blocks=body.get("blocks") or (),
            metadata=body.get("metadata") or {},
            thread_ts=str(body.get("thread_ts") or ""),
            broadcast=bool(body.get("reply_broadcast")),
        )
        self.messages.append(message)
        self._tell(message)
        return message

    def _at(self, channel: str, ts: str) -> PostedMessage | None:
        here = (one for one in self.messages if (one.channel, one.ts) == (channel, ts) and not one.deleted)
        return next(here, None)

    def _history(self, channel: str, arguments: Mapping[str, Any]) -> Answer:
        if str(arguments.get("channel")) != channel:
            return error("channel_not_found")
        here = [one for one in self.messages if one.channel == channel and (not one.thread_ts or one.broadcast)]
        return self._page([one for one in reversed(here) if not one.deleted], arguments)

    def _replies(self, channel: str, arguments: Mapping[str, Any]) -> Answer:
        ts = str(arguments.get("ts"))
        if str(arguments.get("channel")) != channel:
            return error("channel_not_found")
        if self._at(channel, ts) is None:
            return error("thread_not_found")
        thread = [one for one in self.messages if one.channel == channel and ts in (one.ts, one.thread_ts)]
        return self._page(thread, arguments)

    def _page(self, found: Sequence[PostedMessage], arguments: Mapping[str, Any]) -> Answer:
        limit, start = int(arguments.get("limit", 100)), int(arguments.get("cursor") or 0)
        metadata = str(arguments.get("include_all_metadata", "")).lower() in ("1", "true")
        more = start + limit < len(found)
        page = [_shown(one, metadata=metadata) for one in found[start : start + limit]]
        cursor = {"next_cursor": str(start + limit)} if more else {"next_cursor": ""}
        return ok(messages=page, has_more=more, response_metadata=cursor)

    def _list(self) -> Answer:
        return ok(channels=[{"id": self.id_of(name), "name": name} for name in self.channels])

    def _tell(self, message: PostedMessage) -> None:
        for listener in self.listeners:
            listener(message)


def ok(**said: Any) -> Answer:
    """Return Slack's answer that all is well."""
    return Answer(body={"ok": True, **said})


def error(code: str, **said: Any) -> Answer:
    """Return Slack's answer that something is not."""
    return Answer(body={"ok": False, "error": code, **said})


def _shown(message: PostedMessage, *, metadata: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": "message", "ts": message.ts, "text": message.text}
    if message.thread_ts:
        shown["thread_ts"] = message.thread_ts
    if metadata and message.metadata:
        shown["metadata"] = message.metadata
    return shown
