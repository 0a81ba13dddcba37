"""What `canary doctor` asks of Slack: whether the token is good, may post, and knows the channel. It posts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.cli.diagnosis import Diagnosis, failed, passed, skipped
from canary.clients.slack_api import API, SlackSettings, WebApi
from canary.clients.slack_check import Identity, identity
from canary.errors import CanaryError, ConfigError, Unavailable

POSTS = "chat:write"
LISTS = "channels:read"
PAGE = 1000
MOST_PAGES = 20
SCOPES_REMEDY = "give the app its scopes (docs/slack.md) and install it anew"


async def slack(environment: Mapping[str, str], channel: str) -> list[Diagnosis]:
    """Return what is found of token, scopes and channel; what comes first decides whether the rest can be asked."""
    token, webhook = environment.get("SLACK_BOT_TOKEN", ""), environment.get("SLACK_WEBHOOK_URL", "")
    if not token:
        why = "a webhook cannot be asked without posting" if webhook else "neither SLACK_BOT_TOKEN nor a webhook is set"
        return [skipped("slack", why, "" if webhook else "set SLACK_BOT_TOKEN as the controller has it")]
    try:
        api_url = environment.get("SLACK_API_URL") or API
        settings = SlackSettings(token=token, webhook_url=webhook, channel=channel, api_url=api_url)
        who = await identity(settings)
    except ConfigError as error:
        return [failed("slack-token", str(error), "set one of the two, as URLs and tokens look")]
    except Unavailable as error:
        return [failed("slack-token", str(error), "check the network, proxies and SLACK_API_URL")]
    except CanaryError as error:
        return [failed("slack-token", str(error), "check SLACK_BOT_TOKEN")]
    found = [passed("slack-token", f"{who.user or 'a bot'} of {who.team or 'a workspace'}"), _scopes(who)]
    return [*found, await _channel(WebApi(settings), who, channel)]


def _scopes(who: Identity) -> Diagnosis:
    if not who.scopes:
        return skipped("slack-scopes", "Slack did not tell the scopes of the token")
    if POSTS not in who.scopes:
        return failed("slack-scopes", f"the token has {', '.join(sorted(who.scopes))}, not {POSTS}", SCOPES_REMEDY)
    return passed("slack-scopes", ", ".join(sorted(who.scopes)))


async def _channel(web: WebApi, who: Identity, channel: str) -> Diagnosis:
    if not channel:
        return skipped("slack-channel", "no channel is named", "name it with --slack-channel")
    if who.scopes and LISTS not in who.scopes:
        return skipped("slack-channel", f"without {LISTS} channels cannot be listed", SCOPES_REMEDY)
    wanted, cursor = channel.removeprefix("#"), ""
    try:
        for _ in range(MOST_PAGES):
            arguments: dict[str, Any] = {"limit": PAGE, "exclude_archived": True, "cursor": cursor}
            answer = await web.call("conversations.list", arguments)
            for each in answer.get("channels", ()):
                if wanted in (each.get("id"), each.get("name")):
                    return _member(each, who, channel)
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
    except CanaryError as error:
        return skipped("slack-channel", str(error))
    remedy = "check its name; a private one is seen only once the app is invited to it"
    return failed("slack-channel", f"there is no channel {channel} that the app can see", remedy)


def _member(found: Mapping[str, Any], who: Identity, channel: str) -> Diagnosis:
    if found.get("is_member") is False and f"{POSTS}.public" not in who.scopes:
        return failed("slack-channel", f"the app is not in {channel}", f"`/invite` it there, or give it {POSTS}.public")
    return passed("slack-channel", channel)
