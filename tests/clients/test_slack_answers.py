"""One exchange with Slack: what its answers mean, and that no secret gets into a message or a log."""

from __future__ import annotations

import logging

import pytest

from canary.clients.slack import Slack
from canary.clients.slack_api import Refused, SlackSettings, WebApi, Webhook
from canary.errors import CanaryError, ConfigError, Unavailable
from canary.sandbox.slack import slack_stand_in
from tests.clients.raw_server import raw_server, saying

HELLO = {"text": "hello"}
POST = {"channel": "#c", **HELLO}
TOKEN = "xoxb-very-secret"


async def told(body: str, status: str = "200 OK", kind: str = "application/json", headers: str = "") -> CanaryError:
    """Return the error of sending by a token to what answers so."""
    reply = saying(body, status=status, kind=kind, headers=headers)
    async with raw_server(reply) as server:
        with pytest.raises(CanaryError) as caught:
            await WebApi(SlackSettings(token=TOKEN, api_url=f"{server.url}/api/")).call("chat.postMessage", POST)
    return caught.value


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("channel_not_found", "check the channel's name, and invite the app if it is private"),
        ("not_in_channel", "invite the app to the channel, or give it the scope chat:write.public"),
        ("invalid_auth", "check SLACK_BOT_TOKEN"),
        ("new_code_of_slack", "see this code in Slack's documentation"),
    ],
)
async def test_what_slack_refuses_for_good_is_rejected_with_a_remedy(code: str, remedy: str) -> None:
    err = await told(f'{{"ok":false,"error":"{code}"}}')
    assert isinstance(err, Refused)
    assert (err.code, str(err)) == (code, f"Slack's chat.postMessage in channel '#c' is refused ({code}): {remedy}")


@pytest.mark.parametrize("code", ["internal_error", "fatal_error", "ratelimited", "service_unavailable"])
async def test_what_goes_by_is_unavailable(code: str) -> None:
    err = await told(f'{{"ok":false,"error":"{code}"}}')
    expected = f"Slack's chat.postMessage in channel '#c': Slack cannot take it now (HTTP 200 {code})"
    assert (type(err), str(err)) == (Unavailable, expected)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("<html>down</html>", "503 Service Unavailable", "text/html"),
        ("<html>log in</html>", "200 OK", "text/html"),
        ("proxy says no", "403 Forbidden", "text/plain"),
        ('{"ok"', "200 OK", "application/json"),
        ("[]", "200 OK", "application/json"),
        ('{"ok":false,"error":"<b>not a code</b>"}', "200 OK", "application/json"),
    ],
)
async def test_what_is_not_slacks_answer_is_unavailable(body: str, status: str, kind: str) -> None:
    err = await told(body, status, kind)
    assert isinstance(err, Unavailable)
    assert (TOKEN in str(err), body in str(err), err.outcome_unknown) == (False, False, True)


@pytest.mark.looptime
async def test_nobody_there_is_unavailable_by_both_ways() -> None:
    nobody = "http://127.0.0.1:1/secret-path"
    by_token, by_webhook = SlackSettings(token=TOKEN, api_url=nobody), SlackSettings(webhook_url=nobody)
    for call in (WebApi(by_token).call("chat.postMessage", POST), Webhook(by_webhook).post(HELLO)):
        with pytest.raises(Unavailable) as caught:
            await call
        assert str(caught.value).endswith(
            "Slack cannot be reached (ClientConnectorError): check the network and proxies"
        )
        assert ("secret" in str(caught.value), caught.value.outcome_unknown) == (False, False)


async def test_a_webhook_that_is_refused_is_rejected_by_its_plain_words() -> None:
    async with raw_server(saying("no_service", status="404 Not Found", kind="text/html")) as server:
        with pytest.raises(Refused) as caught:
            await Webhook(SlackSettings(webhook_url=f"{server.url}/services/SECRET")).post(HELLO)
    assert str(caught.value) == "the message to Slack's webhook is refused (no_service): check SLACK_WEBHOOK_URL"


async def test_a_rate_limit_is_handed_on_with_its_wait() -> None:
    err = await told('{"ok":false,"error":"ratelimited"}', "429 Too Many Requests", headers="Retry-After: 37\r\n")
    assert isinstance(err, Unavailable)
    assert (err.retry_after, err.outcome_unknown) == (37, False)


async def test_the_check_at_the_start_knows_a_wrong_token() -> None:
    async with slack_stand_in() as slack:
        async with Slack(SlackSettings(token=slack.token, api_url=slack.url)) as good:
            await good.check()
        async with Slack(SlackSettings(token="xoxb-wrong", api_url=slack.url)) as wrong:
            with pytest.raises(ConfigError) as caught:
                await wrong.check()
    assert str(caught.value) == "Slack's auth.test is refused (invalid_auth): check SLACK_BOT_TOKEN"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "set one of SLACK_BOT_TOKEN and SLACK_WEBHOOK_URL"),
        ({"token": TOKEN, "webhook_url": "https://h/s"}, "set one of"),
        ({"webhook_url": "T0/B0/SECRET"}, "SLACK_WEBHOOK_URL is no URL"),
        ({"token": TOKEN, "api_url": "slack.com"}, "SLACK_API_URL is 'slack.com', which is no URL"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        SlackSettings(**settings)
    assert "SECRET" not in str(caught.value)


async def test_neither_settings_nor_logs_show_a_secret_even_at_debug_level(caplog: pytest.LogCaptureFixture) -> None:
    async with slack_stand_in() as slack:
        bot = SlackSettings(token=slack.token, api_url=slack.url)
        hook = SlackSettings(webhook_url=slack.webhook_url)
        with caplog.at_level(logging.DEBUG):
            await WebApi(bot).call("chat.postMessage", {**POST, "channel": "#deployments"})
            await Webhook(hook).post(HELLO)
        seen = caplog.text + repr(bot) + repr(hook)
        path = slack.webhook_url.rpartition("/")[2]
    assert (len(slack.messages), slack.token in seen, path in seen) == (2, False, False)
