"""The stand-in answers as Slack does, refuses what Slack refuses, and shows messages at a terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from canary.sandbox.slack import PostedMessage, SlackStandIn, slack_stand_in
from canary.sandbox.slack_limits import fault

Body = dict[str, Any]


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    async with slack_stand_in(channels=["#deployments"]) as stand_in:
        yield stand_in


def client(slack: SlackStandIn, token: str | None = None) -> AsyncWebClient:
    return AsyncWebClient(token=slack.token if token is None else token, base_url=slack.url)


def text(said: str, kind: str = "mrkdwn") -> Body:
    return {"type": kind, "text": said}


def section(**parts: object) -> Body:
    return {"type": "section", **parts}


async def test_slacks_own_client_posts_updates_and_answers_in_a_thread(slack: SlackStandIn) -> None:
    seen: list[str] = []
    slack.subscribe(lambda message: seen.append(f"{message.edits} {message.text}"))
    web = client(slack)
    assert (await web.auth_test())["ok"] is True
    first = await web.chat_postMessage(channel="#deployments", text="one")
    await web.chat_postMessage(channel="deployments", text="two", thread_ts=first["ts"])
    await web.chat_update(channel=first["channel"], ts=first["ts"], text="uno", blocks=[section(text=text("due"))])
    ts = first["ts"]
    assert slack.messages == [
        PostedMessage(
            channel="deployments", ts=ts, text="uno", attachments=(), blocks=[section(text=text("due"))], edits=1
        ),
        PostedMessage(
            channel="deployments", ts=slack.messages[1].ts, text="two", attachments=(), blocks=(), thread_ts=ts
        ),
    ]
    assert seen == ["0 one", "0 two", "1 uno"]
    assert slack.messages[1].ts > ts


@pytest.mark.parametrize(
    ("token", "body", "error"),
    [
        ("", {"channel": "#deployments", "text": "x"}, "not_authed"),
        ("xoxb-wrong", {"channel": "#deployments", "text": "x"}, "invalid_auth"),
        (None, {"channel": "#elsewhere", "text": "x"}, "channel_not_found"),
        (None, {"channel": "#deployments", "text": "x" * 40_001}, "msg_too_long"),
        (None, {"channel": "#deployments", "blocks": [{"type": "image"}], "text": "x"}, "invalid_blocks"),
    ],
)
async def test_it_refuses_as_slack_does(slack: SlackStandIn, token: str | None, body: Body, error: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        await client(slack, token).chat_postMessage(**body)
    assert (caught.value.response["error"], slack.messages) == (error, [])


async def test_a_message_that_is_not_there_cannot_be_updated(slack: SlackStandIn) -> None:
    with pytest.raises(SlackApiError, match="message_not_found"):
        await client(slack).chat_update(channel="#deployments", ts="1.2", text="x")


async def test_a_webhook_takes_messages_and_refuses_in_plain_words(slack: SlackStandIn) -> None:
    async with aiohttp.ClientSession() as session:
        answers = []
        for body in (b'{"text": "hello"}', b"{", b'{"text": ""}'):
            async with session.post(slack.webhook_url, data=body) as answer:
                answers.append((answer.status, await answer.text()))
    assert answers == [(200, "ok"), (400, "invalid_payload"), (400, "no_text")]
    assert [(message.channel, message.text) for message in slack.messages] == [("webhook", "hello")]


async def test_it_can_be_down_and_rate_limiting(slack: SlackStandIn) -> None:
    slack.weather.rate_limited, slack.weather.retry_after = 1, 30
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{slack.url}auth.test") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "30")
        async with session.post(f"{slack.url}auth.test") as answer:
            assert answer.status == 200
        slack.weather.down = True
        async with session.post(f"{slack.url}auth.test") as answer:
            assert answer.status == 503
    assert slack.requests == 3


@pytest.mark.looptime
async def test_it_can_be_slow(slack: SlackStandIn) -> None:
    slack.weather.slow = 60.0
    with pytest.raises(TimeoutError):
        await AsyncWebClient(token=slack.token, base_url=slack.url, timeout=10).auth_test()


FIELDS = [text("*Weight*\n10 %"), text("*Share*\n&lt;1 %")]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"text": "x"}, ""),
        ({}, "no_text"),
        ("text", "invalid_payload"),
        ({"text": "x" * 40_000}, ""),
        ({"blocks": [section(text=text("x" * 3000))]}, ""),
        ({"blocks": [section(text=text("x" * 3001))]}, "invalid_blocks"),
        ({"blocks": [section(text=text(""))]}, "invalid_blocks"),
        ({"blocks": [section()]}, "invalid_blocks"),
        ({"blocks": [section(fields=[text("x")] * 10)]}, ""),
        ({"blocks": [section(fields=[text("x")] * 11)]}, "invalid_blocks"),
        ({"blocks": [section(fields=[text("x" * 2001)])]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": text("x" * 150, "plain_text")}]}, ""),
        ({"blocks": [{"type": "header", "text": text("x" * 151, "plain_text")}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": text("x")}]}, "invalid_blocks"),
        ({"blocks": [{"type": "context", "elements": [text("x")] * 11}]}, "invalid_blocks"),
        ({"blocks": [{"type": "divider"}] * 50}, ""),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"attachments": [{"blocks": [section(text=text("x" * 3001))]}]}, "invalid_blocks"),
        ({"attachments": [{"blocks": "no list of blocks"}]}, "invalid_blocks"),
        ({"attachments": [{}] * 101}, "too_many_attachments"),
        ({"blocks": [section(text=text("x" * 2900))] * 5}, "msg_blocks_too_long"),
    ],
)
def test_slacks_limits_are_kept(body: object, error: str) -> None:
    assert fault(body) == error


def test_a_message_is_shown_as_plain_lines() -> None:
    message = PostedMessage(
        channel="c",
        ts="1.0",
        text="🔴 *shop/checkout* a*b &lt;c&gt; &amp; d <!here> <@U1> <!subteam^S1>",
        blocks=(),
        attachments=[
            {"fallback": "f", "blocks": [section(fields=FIELDS), {"type": "context", "elements": [text("Rolled")]}]},
            {"fallback": "without blocks"},
        ],
    )
    assert message.plain().split("\n") == [
        "🔴 shop/checkout a*b <c> & d @here @U1 @S1",
        "  Weight: 10 %",
        "  Share: <1 %",
        "Rolled",
        "without blocks",
    ]
