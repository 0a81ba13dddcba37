"""A stand-in for Slack: the few methods of its Web API that canary uses, and an incoming webhook, on 127.0.0.1.

This is the HTTP side; what Slack keeps and answers is `slack_workspace.py`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from canary.sandbox.slack_answers import Answer, error
from canary.sandbox.slack_limits import fault
from canary.sandbox.slack_workspace import WEBHOOK_CHANNEL, PostedMessage, Weather, Workspace

__all__ = ["WEBHOOK_CHANNEL", "PostedMessage", "SlackStandIn", "Weather", "slack_stand_in"]


BURST = 3


@dataclass(slots=True, kw_only=True)
class SlackStandIn:
    """Where the stand-in answers, the token that it takes, and the workspace behind it."""

    url: str
    webhook_url: str
    token: str
    workspace: Workspace

    @property
    def weather(self) -> Weather:
        """How Slack feels; may be changed at any time."""
        return self.workspace.weather

    @property
    def messages(self) -> list[PostedMessage]:
        """The messages in the order in which they were first posted."""
        return self.workspace.messages

    def subscribe(self, listener: Callable[[PostedMessage], None]) -> None:
        """Call `listener` for each message that is posted or updated from now on."""
        self.workspace.subscribe(listener)


@asynccontextmanager
async def slack_stand_in(
    *,
    channels: Sequence[str] = ("#deployments",),
    token: str = "",
    port: int = 0,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[SlackStandIn]:
    """Run the stand-in on 127.0.0.1, on a free port if `port` is 0; a token is made up if none is given.

    `now` is its clock. A channel takes a short burst of messages, as Slack does: over a network what was sent a second
    apart may come closer together.
    """
    hook = f"/services/T0/B0/{secrets.token_hex(8)}"
    workspace = Workspace(now=now, channels=tuple(name.removeprefix("#") for name in channels))
    workspace.rates.burst = BURST
    slack = SlackStandIn(url="", webhook_url="", token=token or f"xoxb-{secrets.token_hex(12)}", workspace=workspace)
    methods = _Methods(slack)
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/api/{method}", methods.call)
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
    """Answers have Slack's form: HTTP 200 with `ok`, and `error` when it is false."""

    def __init__(self, slack: SlackStandIn) -> None:
        self._slack = slack

    async def call(self, request: web.Request) -> web.Response:
        workspace = self._slack.workspace
        if workspace.weather.slow:
            await asyncio.sleep(workspace.weather.slow)
        refused = self._unauthorised(request)
        if refused is not None:
            return _response(workspace.rough() or refused)
        return _response(workspace.answer(request.match_info["method"], await _arguments(request)))

    async def webhook(self, request: web.Request) -> web.Response:
        """Webhooks answer in plain words: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""
        rough = self._slack.workspace.rough()
        if rough is not None:
            return _response(rough)
        try:
            body = json.loads(await request.read())
        except ValueError:
            return web.Response(status=400, text="invalid_payload")
        too_often = self._slack.workspace.too_often(WEBHOOK_CHANNEL)
        if too_often is not None:
            return _response(too_often)
        if found := fault(body):
            return web.Response(status=400, text=found)
        self._slack.workspace.keep(WEBHOOK_CHANNEL, body)
        return web.Response(text="ok")

    def _unauthorised(self, request: web.Request) -> Answer | None:
        said = request.headers.get("Authorization", "")
        if not said:
            return error("not_authed")
        return None if said == f"Bearer {self._slack.token}" else error("invalid_auth")


def _response(answer: Answer) -> web.Response:
    if not answer.body:
        return web.Response(status=answer.status, text="<html>Service Unavailable</html>", content_type="text/html")
    return web.json_response(dict(answer.body), status=answer.status, headers=dict(answer.headers))


async def _arguments(request: web.Request) -> Mapping[str, Any]:
    """Return the arguments, sent in the URL, as JSON, or as a form in which lists and maps are JSON texts."""
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}
    form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    structured = ("attachments", "blocks", "metadata")
    read = {name: json.loads(value) if name in structured else value for name, value in form.items()}
    return {**dict(request.query), **read}
