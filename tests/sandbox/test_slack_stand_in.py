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
            channel="C00000001", ts=ts, text="uno", attachments=(), blocks=[section(text=text("due"))], edits=1
        ),
        PostedMessage(
            channel="C00000001", ts=slack.messages[1].ts, text="two", attachments=(), blocks=(), thread_ts=ts
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
        await client(slack).chat_update(channel="C00000001", ts="1.2", text="x")
    with pytest.raises(SlackApiError, match="channel_not_found"):  # unlike posting, updating takes ids only
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


async def test_threads_and_history_are_read_back_with_metadata(slack: SlackStandIn) -> None:
    slack.workspace.rates.burst = 10
    web, metadata = client(slack), {"event_type": "canary_rollout", "event_payload": {"id": "u/1"}}
    card = await web.chat_postMessage(channel="#deployments", text="card", metadata=metadata)
    for number in range(3):
        await web.chat_postMessage(
            channel="#deployments", text=str(number), thread_ts=card["ts"], reply_broadcast=number == 2
        )
    history = await web.conversations_history(channel="C00000001", include_all_metadata=True, limit=1)
    assert ([one["text"] for one in history["messages"]], history["has_more"]) == (["2"], True)
    cursor = history["response_metadata"]["next_cursor"]
    rest = await web.conversations_history(channel="C00000001", include_all_metadata=True, cursor=cursor)
    assert [(one["text"], one["metadata"]) for one in rest["messages"]] == [("card", metadata)]
    replies = await web.conversations_replies(channel="C00000001", ts=card["ts"])
    assert [(one["text"], one.get("metadata")) for one in replies["messages"]] == [
        ("card", None), ("0", None), ("1", None), ("2", None),
    ]  # fmt: skip
    assert [one["name"] for one in (await web.conversations_list())["channels"]] == ["deployments"]


async def test_it_refuses_without_the_scope_the_membership_or_a_method_of_that_name(slack: SlackStandIn) -> None:
    web = client(slack)
    slack.workspace.scopes = frozenset({"chat:write"})
    with pytest.raises(SlackApiError) as caught:
        await web.conversations_history(channel="C00000001")
    assert (caught.value.response["error"], caught.value.response["needed"]) == ("missing_scope", "channels:history")
    with pytest.raises(SlackApiError, match="unknown_method"):
        await web.api_call("chat.shout")
    slack.workspace.archived = frozenset({"deployments"})
    with pytest.raises(SlackApiError, match="is_archived"):
        await web.chat_postMessage(channel="deployments", text="x")
    slack.workspace.members = frozenset()
    with pytest.raises(SlackApiError, match="not_in_channel"):
        await web.chat_postMessage(channel="deployments", text="x")


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"event_type": "x"}, "invalid_metadata_format"),
        ({"event_type": "x y", "event_payload": {}}, "invalid_metadata_schema"),
        ({"event_type": "x", "event_payload": {"a": {"b": 1}}}, "invalid_metadata_schema"),
        ({"event_type": "x", "event_payload": {"a": "v" * 8000}}, "metadata_too_large"),
        ({"event_type": "x_y", "event_payload": {"a": "v"}}, ""),
    ],
)
def test_metadata_is_held_to_its_form(metadata: Body, code: str) -> None:
    assert fault({"text": "x", "metadata": metadata}) == code


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
