"""One call of Slack, by a bot's token or by an incoming webhook, and what Slack's answers mean.

The token and the webhook's URL are secrets: no message of ours repeats what an SDK error says.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from canary.clients.parsed import seconds
from canary.errors import ConfigError, Rejected, Unavailable

API = "https://slack.com/api/"
TIMEOUT = 10

LIMITS = frozenset({"accesslimited", "message_limit_exceeded", "rate_limited", "ratelimited"})
PASSING = LIMITS | frozenset(
    {"fatal_error", "internal_error", "request_timeout", "rollup_error", "service_unavailable", "team_added_to_org"}
)
"""Errors that go by: https://docs.slack.dev/reference/methods/chat.postMessage#errors."""

REMEDY = {
    "account_inactive": "make a new SLACK_BOT_TOKEN",
    "channel_is_archived": "choose another channel",
    "channel_not_found": "check the channel's name, and invite the app if it is private",
    "invalid_auth": "check SLACK_BOT_TOKEN",
    "invalid_token": "check SLACK_WEBHOOK_URL",
    "is_archived": "choose another channel",
    "missing_scope": "give the app its scopes (docs/slack.md) and install it anew",
    "no_service": "check SLACK_WEBHOOK_URL",
    "not_authed": "check SLACK_BOT_TOKEN",
    "not_in_channel": "invite the app to the channel, or give it the scope chat:write.public",
    "token_expired": "make a new SLACK_BOT_TOKEN",
    "token_revoked": "make a new SLACK_BOT_TOKEN",
}

# The SDK's webhook client writes the URL, which is a secret, at debug level.
_quiet = logging.getLogger("canary.slack_sdk")
_quiet.setLevel(logging.WARNING)

_UNREAD = (SlackClientError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError)
"""What the SDK raises: its own errors, and those of its reading what is not Slack's answer."""
_SDK_FAULTS = (*_UNREAD, aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """Who speaks to which channel. Exactly one of `token` (a bot's) and `webhook_url` is set.

    `channel` and `mention` are for notices that name none. A webhook speaks to its own channel only, whatever a notice
    says. `api_url` is where the Web API is.
    """

    token: str = field(default="", repr=False)
    webhook_url: str = field(default="", repr=False)
    channel: str = ""
    mention: str = ""
    api_url: str = API

    def __post_init__(self) -> None:
        if bool(self.token) == bool(self.webhook_url):
            found = "both are set" if self.token else "neither is"
            raise ConfigError(f"for Slack set one of SLACK_BOT_TOKEN and SLACK_WEBHOOK_URL; {found}")
        if self.webhook_url and not _is_url(self.webhook_url):
            raise ConfigError("SLACK_WEBHOOK_URL is no URL: it looks like https://hooks.slack.com/services/...")
        if not _is_url(self.api_url):
            raise ConfigError(f"SLACK_API_URL is {self.api_url!r}, which is no URL: it looks like {API}")


class Refused(Rejected):
    """Slack will not take it, now or later; `code` is its word for why."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class SlackApi(Protocol):
    """Slack's Web API with a bot's token."""

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return Slack's answer; raises `Unavailable` (it may work later) or `Refused` (it will not)."""


class WebApi:
    """The Web API over HTTP. Each call has a time-out and is made once."""

    def __init__(self, settings: SlackSettings) -> None:
        client = AsyncWebClient(
            token=settings.token, base_url=settings.api_url, timeout=TIMEOUT, logger=_quiet, retry_handlers=[]
        )
        self._methods: Mapping[str, Callable[..., Awaitable[AsyncSlackResponse]]] = {
            "auth.test": client.auth_test,
            "chat.postMessage": client.chat_postMessage,
            "chat.update": client.chat_update,
            "conversations.history": client.conversations_history,
            "conversations.list": client.conversations_list,
            "conversations.replies": client.conversations_replies,
        }

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """As SlackApi does; raises KeyError for a method that canary does not use."""
        send = self._methods[method]
        try:
            answer = await send(**arguments)
        except _SDK_FAULTS as err:
            raise _meaning(err, f"Slack's {method}{_about(arguments)}") from None
        return answer.data if isinstance(answer.data, dict) else {}


class Webhook:
    """An incoming webhook."""

    def __init__(self, settings: SlackSettings) -> None:
        self._client = AsyncWebhookClient(settings.webhook_url, timeout=TIMEOUT, logger=_quiet, retry_handlers=[])

    async def post(self, body: Mapping[str, Any]) -> None:
        """Return when Slack has taken the message; raises `Unavailable` or `Refused`."""
        what = "the message to Slack's webhook"
        try:
            answer = await self._client.send_dict(dict(body))
        except _SDK_FAULTS as err:
            raise _meaning(err, what) from None
        if answer.status_code != 200:
            raise fault_of(what, answer.body.strip(), answer.status_code, answer.headers)


def _about(arguments: Mapping[str, Any]) -> str:
    return f" in channel {arguments['channel']!r}" if "channel" in arguments else ""


def _meaning(err: Exception, what: str) -> Unavailable | Refused:
    if isinstance(err, SlackApiError):
        answer = err.response
        data = getattr(answer, "data", None)
        code = data.get("error", "") if isinstance(data, dict) else ""
        status = getattr(answer, "status_code", getattr(answer, "status", 0))
        return fault_of(what, str(code), int(status), answer.headers)
    if isinstance(err, _UNREAD):
        words = f"{what}: what answers is not Slack ({type(err).__name__}): check SLACK_API_URL and proxies"
        return Unavailable(words, outcome_unknown=True)
    words = f"{what}: Slack cannot be reached ({type(err).__name__}): check the network and proxies"
    return Unavailable(words, outcome_unknown=not isinstance(err, aiohttp.ClientConnectorError))


def fault_of(what: str, code: str, status: int, headers: Mapping[str, Any]) -> Unavailable | Refused:
    """Return the error for an answer, by Slack's code; without one of the form that codes have, by the HTTP status.

    An answer that says that something broke leaves open whether the message is there.
    """
    known = code if code.replace("_", "").isalnum() and len(code) <= 60 else ""
    if status == 429 or status >= 500 or known in PASSING or not known:
        wait = seconds(str(headers.get("Retry-After") or ""))
        words = f"{what}: Slack cannot take it now (HTTP {status} {known})".rstrip()
        limited = status == 429 or known in LIMITS
        return Unavailable(words, retry_after=wait, outcome_unknown=not limited)
    remedy = REMEDY.get(known, "see this code in Slack's documentation")
    return Refused(f"{what} is refused ({known}): {remedy}", known)


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
