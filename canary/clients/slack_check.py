"""Asks Slack who a token is and what it may do, without posting anything."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from canary.clients.slack_api import TIMEOUT, SlackSettings, fault_of

_FAULTS = (SlackClientError, aiohttp.ClientError, TimeoutError, OSError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a token is, in which workspace, and its scopes (none where Slack does not tell them)."""

    user: str
    team: str
    scopes: frozenset[str]


async def identity(settings: SlackSettings) -> Identity:
    """Return whose token it is. Raises Unavailable or Rejected with the remedy; neither repeats the token."""
    client = AsyncWebClient(token=settings.token, base_url=settings.api_url, timeout=TIMEOUT, retry_handlers=[])
    try:
        answer = await client.auth_test()
    except SlackApiError as error:
        found = error.response
        status = int(getattr(found, "status_code", 0))
        raise fault_of("Slack's auth.test", str(found.get("error", "")), status, found.headers) from None
    except _FAULTS as error:
        raise fault_of(f"Slack's auth.test ({type(error).__name__})", "", 0, {}) from None
    scopes = str(answer.headers.get("x-oauth-scopes") or answer.headers.get("X-OAuth-Scopes") or "")
    return Identity(
        user=str(answer.get("user", "")),
        team=str(answer.get("team", "")),
        scopes=frozenset(scope.strip() for scope in scopes.split(",") if scope.strip()),
    )
