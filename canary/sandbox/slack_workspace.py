"""One workspace of the stand-in for Slack, without HTTP: channels, messages, threads, scopes, and the methods' answers.

It knows the methods that canary uses, refuses what Slack refuses (slack_limits.py) and what comes too often
(slack_rates.py), and can be made slow, down, rate-limiting or short of a scope. Answers have Slack's form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from canary.sandbox.slack_answers import Answer, error, limited, ok
from canary.sandbox.slack_limits import fault
from canary.sandbox.slack_pages import WrongArgumentError, between, micros, page
from canary.sandbox.slack_rates import Rates
from canary.sandbox.slack_text import plain

WEBHOOK_CHANNEL = "webhook"

POSTING = "chat:write"
POSTING_ANYWHERE = "chat:write.public"
READING = {"public_channel": "channels:history", "private_channel": "groups:history"}
LISTING = {"public_channel": "channels:read", "private_channel": "groups:read"}
"""The scope that a type of conversation needs."""

METHODS = frozenset(
    {
        "auth.test",
        "chat.postMessage",
        "chat.update",
        "conversations.history",
        "conversations.list",
        "conversations.replies",
    }
)
ALL_SCOPES = frozenset({POSTING, *READING.values(), *LISTING.values()})


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


@dataclass(slots=True, kw_only=True)
class Workspace:
    """Slack as it stands: `messages` in the order in which they were first posted; the rest may be set at any time.

    `now` is the clock that messages are stamped by. `channels` are by name, without `#`, those in `private` are private
    ones; their ids are made from their place. `members`: the channels that the bot is in, None for all. `limited` is
    how many calls came too often.
    """

    now: Callable[[], datetime]
    channels: Sequence[str]
    private: frozenset[str] = frozenset()
    scopes: frozenset[str] = ALL_SCOPES
    archived: frozenset[str] = frozenset()
    members: frozenset[str] | None = None
    weather: Weather = field(default_factory=Weather)
    messages: list[PostedMessage] = field(default_factory=list)
    listeners: list[Callable[[PostedMessage], None]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    rates: Rates = field(default_factory=Rates)
    limited: int = 0
    _newest: int = 0

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
            return limited(self.weather.retry_after)
        return None

    def answer(self, method: str, arguments: Mapping[str, Any]) -> Answer:
        """Return the answer to a call by somebody whose token is good, with what it does done."""
        self.calls.append(method)
        rough = self.rough()
        if rough is not None:
            return rough
        if method not in METHODS:
            return error("unknown_method")
        if wait := self.rates.call(method, self._seconds()):
            return self._too_often(wait)
        try:
            return self._answer(method, arguments)
        except WrongArgumentError as wrong:
            return error(str(wrong))

    def _answer(self, method: str, arguments: Mapping[str, Any]) -> Answer:
        if method == "auth.test":
            return ok(team="Sandbox", user="canary", bot_id="B0")
        if method == "conversations.list":
            return self._list(arguments)
        if method.startswith("chat.") and POSTING not in self.scopes:
            return self._missing(POSTING)
        channel = self.id_of(str(arguments.get("channel", "")))
        if not channel:
            return error("channel_not_found")
        return self._in_channel(method, channel, arguments)

    def _in_channel(self, method: str, channel: str, arguments: Mapping[str, Any]) -> Answer:
        name = self.name_of(channel)
        reading = method.startswith("conversations.")
        if reading and READING[self._type_of(name)] not in self.scopes:
            return self._missing(READING[self._type_of(name)])
        if not self._is_member(name) and name in self.private:
            return error("channel_not_found")  # as if it were not there
        if not self._is_member(name) and (method != "chat.postMessage" or POSTING_ANYWHERE not in self.scopes):
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

    def _type_of(self, name: str) -> str:
        return "private_channel" if name in self.private else "public_channel"

    def _is_member(self, name: str) -> bool:
        return self.members is None or name in self.members

    def _missing(self, scope: str) -> Answer:
        return error("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    def _seconds(self) -> float:
        return self.now().timestamp()

    def _too_often(self, wait: int) -> Answer:
        self.limited += 1
        return limited(wait)

    def too_often(self, channel: str) -> Answer | None:
        """Count a message in a channel; return Slack's answer when it comes too soon after others."""
        wait = self.rates.message(channel, self._seconds())
        return self._too_often(wait) if wait else None

    def _post(self, channel: str, body: Mapping[str, Any]) -> Answer:
        refused = self.too_often(channel)
        if refused is not None:
            return refused
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
        self._newest = max(self._newest + 1, int(self._seconds() * 1_000_000))
        message = PostedMessage(
            channel=channel,
            ts=f"{self._newest // 1_000_000}.{self._newest % 1_000_000:06}",
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
        there = between([one for one in here if not one.deleted], _ts, arguments)
        return self._page(sorted(there, key=lambda one: micros(one.ts), reverse=True), arguments)

    def _replies(self, channel: str, arguments: Mapping[str, Any]) -> Answer:
        ts = str(arguments.get("ts"))
        if str(arguments.get("channel")) != channel:
            return error("channel_not_found")
        parent = self._at(channel, ts)
        if parent is None:
            return error("thread_not_found")
        replies = [one for one in self.messages if one.channel == channel and one.thread_ts == ts and not one.deleted]
        return self._page([parent, *between(replies, _ts, arguments)], arguments)

    def _page(self, found: Sequence[PostedMessage], arguments: Mapping[str, Any]) -> Answer:
        metadata = str(arguments.get("include_all_metadata", "")).lower() in ("1", "true")
        shown, cursor = page(found, _ts, arguments)
        messages = [_shown(one, metadata=metadata) for one in shown]
        return ok(messages=messages, has_more=bool(cursor), response_metadata={"next_cursor": cursor})

    def _list(self, arguments: Mapping[str, Any]) -> Answer:
        types = str(arguments.get("types") or "public_channel").split(",")
        for each in types:
            if each not in LISTING:
                return error("invalid_types")
            if LISTING[each] not in self.scopes:
                return self._missing(LISTING[each])
        names = [name for name in self.channels if self._type_of(name) in types]
        if str(arguments.get("exclude_archived", "")).lower() in ("1", "true"):
            names = [name for name in names if name not in self.archived]
        names = [name for name in names if name not in self.private or self._is_member(name)]
        shown, cursor = page(names, self.id_of, arguments)
        channels = [{"id": self.id_of(name), "name": name, "is_private": name in self.private} for name in shown]
        return ok(channels=channels, response_metadata={"next_cursor": cursor})

    def _tell(self, message: PostedMessage) -> None:
        for listener in self.listeners:
            listener(message)


def _ts(message: PostedMessage) -> str:
    return message.ts


def _shown(message: PostedMessage, *, metadata: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": "message", "ts": message.ts, "text": message.text}
    if message.thread_ts:
        shown["thread_ts"] = message.thread_ts
    if metadata and message.metadata:
        shown["metadata"] = message.metadata
    return shown
