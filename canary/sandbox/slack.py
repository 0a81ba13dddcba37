"""A stand-in for Slack: the few methods of its Web API that canary uses, and an incoming webhook, on 127.0.0.1.

It keeps what it is sent, refuses what Slack would refuse (`slack_limits.py`), and can be slow, down or rate-limiting.
It is no more of Slack than that: one workspace, one token, channels that are named in advance.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from canary.sandbox.slack_limits import fault

WEBHOOK_CHANNEL = "webhook"


@dataclass(slots=True, kw_only=True)
class PostedMessage:
    """One message as Slack would keep it. `edits` counts its updates; `thread_ts` is "" outside a thread."""

    channel: str
    ts: str
    text: str
    attachments: Sequence[Mapping[str, Any]]
    blocks: Sequence[Mapping[str, Any]]
    thread_ts: str = ""
    edits: int = 0

    def plain(self) -> str:
        """Return the message as lines for a terminal: emphasis taken away, mentions as @name, facts one a line."""
        parts = [self.text, *_texts(self.blocks)]
        for attachment in self.attachments:
            parts += _texts(attachment.get("blocks", ())) or [str(attachment.get("fallback", ""))]
        return "\n".join(_plain(part) for part in parts if part)


@dataclass(slots=True, kw_only=True)
class Weather:
    """How Slack feels. `slow` is the seconds before each answer, `down` answers HTTP 503, and each of the next
    `rate_limited` requests is answered HTTP 429 with `Retry-After: retry_after`."""

    slow: float = 0.0
    down: bool = False
    rate_limited: int = 0
    retry_after: int = 1


@dataclass(slots=True, kw_only=True)
class SlackStandIn:
    """Slack as it stands: `messages` in the order in which they were first posted; the rest may be set at any time."""

    url: str
    webhook_url: str
    token: str
    channels: set[str]
    weather: Weather = field(default_factory=Weather)
    messages: list[PostedMessage] = field(default_factory=list)
    listeners: list[Callable[[PostedMessage], None]] = field(default_factory=list)
    requests: int = 0

    def subscribe(self, listener: Callable[[PostedMessage], None]) -> None:
        """Call `listener` for each message that is posted or updated from now on."""
        self.listeners.append(listener)


@asynccontextmanager
async def slack_stand_in(
    *, channels: Sequence[str] = ("#deployments",), token: str = "", port: int = 0
) -> AsyncIterator[SlackStandIn]:
    """Run the stand-in on 127.0.0.1, on a free port if `port` is 0; a token is made up if none is given."""
    hook = f"/services/T0/B0/{secrets.token_hex(8)}"
    slack = SlackStandIn(
        url="",
        webhook_url="",
        token=token or f"xoxb-{secrets.token_hex(12)}",
        channels={_bare(name) for name in channels},
    )
    methods = _Methods(slack)
    app = web.Application(middlewares=[methods.weather], client_max_size=8 * 1024 * 1024)
    app.router.add_post("/api/auth.test", methods.auth_test)
    app.router.add_post("/api/chat.postMessage", methods.post_message)
    app.router.add_post("/api/chat.update", methods.update)
    app.router.add_post(hook, methods.webhook)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        slack.url, slack.webhook_url = f"{base}/api/", f"{base}{hook}"
        yield slack
    finally:
        await runner.cleanup()


class _Methods:
    """The HTTP side. Answers have Slack's form: HTTP 200 with `ok`, and `error` when it is false."""

    def __init__(self, slack: SlackStandIn) -> None:
        self._slack = slack
        self._serial = itertools.count(1)

    @web.middleware
    async def weather(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        self._slack.requests += 1
        weather = self._slack.weather
        if weather.slow:
            await asyncio.sleep(weather.slow)
        if weather.down:
            return web.Response(status=503, text="<html>Service Unavailable</html>", content_type="text/html")
        if weather.rate_limited:
            weather.rate_limited -= 1
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(weather.retry_after)}
            )
        answer: web.StreamResponse = await handler(request)
        return answer

    async def auth_test(self, request: web.Request) -> web.Response:
        return self._unauthorised(request) or _ok(url=self._slack.url, team="Sandbox", user="canary", bot_id="B0")

    async def post_message(self, request: web.Request) -> web.Response:
        if refusal := self._unauthorised(request):
            return refusal
        body = await _body(request)
        channel = _bare(str(body.get("channel", "")))
        if channel not in self._slack.channels:
            return _error("channel_not_found")
        if error := fault(body):
            return _error(error)
        message = self._keep(channel, body)
        return _ok(channel=channel, ts=message.ts, message={"text": message.text, "ts": message.ts})

    async def update(self, request: web.Request) -> web.Response:
        if refusal := self._unauthorised(request):
            return refusal
        body = await _body(request)
        channel, ts = _bare(str(body.get("channel", ""))), body.get("ts")
        if channel not in self._slack.channels:
            return _error("channel_not_found")
        found = [old for old in self._slack.messages if (old.channel, old.ts) == (channel, ts)]
        if not found:
            return _error("message_not_found")
        if error := fault(body):
            return _error(error)
        message = found[0]
        message.text = str(body.get("text", ""))
        message.attachments, message.blocks = body.get("attachments") or (), body.get("blocks") or ()
        message.edits += 1
        self._tell(message)
        return _ok(channel=channel, ts=message.ts, text=message.text)

    async def webhook(self, request: web.Request) -> web.Response:
        """Webhooks answer in plain words: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""
        try:
            body = json.loads(await request.read())
        except ValueError:
            return web.Response(status=400, text="invalid_payload")
        if error := fault(body):
            return web.Response(status=400, text=error)
        self._keep(WEBHOOK_CHANNEL, body)
        return web.Response(text="ok")

    def _keep(self, channel: str, body: Mapping[str, Any]) -> PostedMessage:
        message = PostedMessage(
            channel=channel,
            ts=f"1700000000.{next(self._serial):06}",
            text=str(body.get("text", "")),
            attachments=body.get("attachments") or (),
            blocks=body.get("blocks") or (),
            thread_ts=str(body.get("thread_ts") or ""),
        )
        self._slack.messages.append(message)
        self._tell(message)
        return message

    def _tell(self, message: PostedMessage) -> None:
        for listener in self._slack.listeners:
            listener(message)

    def _unauthorised(self, request: web.Request) -> web.Response | None:
        said = request.headers.get("Authorization", "")
        if not said:
            return _error("not_authed")
        return None if said == f"Bearer {self._slack.token}" else _error("invalid_auth")


def _ok(**said: Any) -> web.Response:
    return web.json_response({"ok": True, **said})


def _error(code: str) -> web.Response:
    return web.json_response({"ok": False, "error": code})


async def _body(request: web.Request) -> Mapping[str, Any]:
    """Return the arguments, sent as JSON or as a form in which lists are JSON texts."""
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}
    form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    return {name: json.loads(value) if name in ("attachments", "blocks") else value for name, value in form.items()}


def _bare(channel: str) -> str:
    return channel.removeprefix("#")


def _texts(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts of section, header and context blocks in their order."""
    found: list[str] = []
    for block in blocks:
        parts = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
        found += [str(part.get("text", "")) for part in parts if isinstance(part, Mapping)]
    return found


def _plain(text: str) -> str:
    text = re.sub(r"^\*(.+)\*\n", r"  \1: ", text)
    text = re.sub(r"\*(\S(?:[^*\n]*\S)?)\*", r"\1", text)
    text = re.sub(r"<!subteam\^(\w+)>|<[@!](\w+)>", lambda found: f"@{found[1] or found[2]}", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
