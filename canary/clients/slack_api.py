"""One message to Slack, by a bot's token or by an incoming webhook, and what Slack's answers mean.

The token and the webhook's URL are secrets: no message of ours repeats what an SDK error says.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from canary.clients.slack_message import SlackMessage
from canary.errors import ConfigError, Rejected, Unavailable

API = "https://slack.com/api/"
TIMEOUT = 10
RATE_LIMIT_TRIES = 2

PASSING = frozenset(
    {"accesslimited", "fatal_error", "internal_error", "message_limit_exceeded", "rate_limited", "ratelimited"}
    | {"request_timeout", "rollup_error", "service_unavailable", "team_added_to_org"}
)
"""Errors that go by: https://docs.slack.dev/reference/methods/chat.postMessage#errors."""

REMEDY = {
    "account_inactive": "make a new SLACK_BOT_TOKEN",
    "channel_is_archived": "choose another channel",
    "channel_not_found": "check the channel's name, and invite the app if it is private",
    "invalid_auth": "check SLACK_BOT_TOKEN",
    "invalid_token": "check SLACK_WEBHOOK_URL",
    "is_archived": "choose another channel",
    "missing_scope": "give the app the scope chat:write",
    "no_service": "check SLACK_WEBHOOK_URL",
    "not_authed": "check SLACK_BOT_TOKEN",
    "not_in_channel": "invite the app to the channel, or give it the scope chat:write.public",
    "token_expired": "make a new SLACK_BOT_TOKEN",
    "token_revoked": "make a new SLACK_BOT_TOKEN",
}

# The SDK's webhook client writes the URL, which is a secret, at debug level.
_quiet = logging.getLogger("canary.slack_sdk")
_quiet.setLevel(logging.WARNING)

_SDK_FAULTS = (SlackClientError, aiohttp.ClientError, TimeoutError, OSError, ValueError, TypeError, AttributeError)
"""What the SDK raises: besides its own errors those of aiohttp, and of its reading what is not Slack's answer."""


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


class Sender(Protocol):
    """Sends one message now."""

    async def send(self, channel: str, message: SlackMessage) -> None:
        """Return when Slack has taken the message; raises `Unavailable` (it may later) or `Rejected` (it will not)."""

    async def check(self) -> None:
        """Return if the credentials are good, as far as that can be known without sending; raises as `send` does."""


def sender(settings: SlackSettings) -> Sender:
    """Return what sends with these settings."""
    return _Bot(settings) if settings.token else _Webhook(settings)


class _Bot:
    def __init__(self, settings: SlackSettings) -> None:
        self._client = AsyncWebClient(
            token=settings.token,
            base_url=settings.api_url,
            timeout=TIMEOUT,
            logger=_quiet,
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=RATE_LIMIT_TRIES)],
        )

    async def send(self, channel: str, message: SlackMessage) -> None:
        try:
            await self._client.chat_postMessage(
                channel=channel, unfurl_links=False, unfurl_media=False, **message.body()
            )
        except _SDK_FAULTS as err:
            raise _meaning(err, f"the message to Slack channel {channel!r}") from None

    async def check(self) -> None:
        try:
            await self._client.auth_test()
        except _SDK_FAULTS as err:
            raise _meaning(err, "the bot's token for Slack") from None


class _Webhook:
    def __init__(self, settings: SlackSettings) -> None:
        self._client = AsyncWebhookClient(
            settings.webhook_url,
            timeout=TIMEOUT,
            logger=_quiet,
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=RATE_LIMIT_TRIES)],
        )

    async def send(self, channel: str, message: SlackMessage) -> None:
        what = "the message to Slack's webhook"
        try:
            answer = await self._client.send_dict(message.body())
        except _SDK_FAULTS as err:
            raise _meaning(err, what) from None
        if answer.status_code != 200:
            raise _fault(what, answer.body.strip(), answer.status_code, answer.headers)

    async def check(self) -> None:
        """A webhook cannot be asked anything without sending."""


def _meaning(err: Exception, what: str) -> Unavailable | Rejected:
    if isinstance(err, SlackApiError):
        answer = err.response
        data = getattr(answer, "data", None)
        code = data.get("error", "") if isinstance(data, dict) else ""
        status = getattr(answer, "status_code", getattr(answer, "status", 0))
        return _fault(what, str(code), int(status), answer.headers)
    if isinstance(err, SlackClientError | ValueError | TypeError | AttributeError):
        return Unavailable(f"{what}: what answers is not Slack ({type(err).__name__}): check SLACK_API_URL and proxies")
    return Unavailable(f"{what}: Slack cannot be reached ({type(err).__name__}): check the network and proxies")


def _fault(what: str, code: str, status: int, headers: Mapping[str, Any]) -> Unavailable | Rejected:
    """Sort by Slack's code; without one of the form that codes have, by the HTTP status."""
    known = code if code.replace("_", "").isalnum() and len(code) <= 60 else ""
    if status == 429 or status >= 500 or known in PASSING or not known:
        wait = str(headers.get("Retry-After", ""))
        retry_after = float(wait) if wait.isdecimal() else None
        return Unavailable(
            f"{what}: Slack cannot take it now (HTTP {status} {known})".rstrip(), retry_after=retry_after
        )
    remedy = REMEDY.get(known, "see this code in Slack's documentation")
    return Rejected(f"{what} is refused ({known}): {remedy}")


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
