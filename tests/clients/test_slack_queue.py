"""Messages wait in order beside the loop, through every mood of Slack. In virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from canary.clients.slack import ROOM, LogNotifier, Slack, SlackSummary
from canary.clients.slack_api import SlackSettings
from canary.clients.slack_message import SlackMessage
from canary.errors import Rejected, Unavailable
from canary.ports import Notification, Notifier
from canary.sandbox.slack import slack_stand_in

pytestmark = pytest.mark.looptime

NOTICE = Notification(namespace="shop", canary="checkout", reason="Step", text="", failure=False, facts={})
SETTINGS = SlackSettings(token="t", channel="#default")


class Moody:
    """A Slack that is down until `up_at`, takes `slow` seconds for each message, and refuses channel `#none`."""

    def __init__(self, *, up_at: float = 0.0, slow: float = 0.0) -> None:
        self.up_at, self.slow = up_at, slow
        self.got: list[tuple[str, str]] = []
        self.tries = 0

    async def send(self, channel: str, message: SlackMessage) -> None:
        self.tries += 1
        await asyncio.sleep(self.slow)
        if asyncio.get_running_loop().time() < self.up_at:
            raise Unavailable("Slack is down")
        if channel == "#none":
            raise Rejected("channel_not_found")
        if channel == "#bug":
            raise KeyError("a bug")
        self.got.append((channel, message.text.rpartition("* ")[2]))

    async def check(self) -> None:
        pass


def said(text: str, channel: str = "") -> Notification:
    return replace(NOTICE, text=text, channel=channel)


async def test_messages_come_in_order_and_to_the_channel_that_they_name() -> None:
    moody = Moody(slow=1.0)
    async with Slack(SETTINGS, send_with=moody, flush=timedelta(minutes=1)) as slack:
        for number in range(5):
            slack.tell(said(str(number), "#own" if number == 3 else ""))
    assert moody.got == [("#default", "0"), ("#default", "1"), ("#default", "2"), ("#own", "3"), ("#default", "4")]


async def test_telling_never_waits_for_slack() -> None:
    moody = Moody(slow=3600.0)
    async with Slack(SETTINGS, send_with=moody, flush=timedelta(0)) as slack:
        before = asyncio.get_running_loop().time()
        for number in range(50):
            slack.tell(said(str(number)))
        assert asyncio.get_running_loop().time() == before


async def test_after_an_outage_every_message_comes_in_order_and_the_outage_is_logged_once() -> None:
    moody = Moody(up_at=1800.0)
    with capture_logs() as logs:
        async with Slack(SETTINGS, send_with=moody) as slack:
            for number in range(3):
                slack.tell(said(str(number)))
                await asyncio.sleep(60)
            assert slack.summary == SlackSummary(waiting=3, sent=0, refused=0, dropped=0, trouble="Slack is down")
            await asyncio.sleep(2000)
            assert slack.summary == SlackSummary(waiting=0, sent=3, refused=0, dropped=0, trouble="")
    assert [text for _, text in moody.got] == ["0", "1", "2"]
    assert [log["event"] for log in logs] == ["slack_failed", "slack_recovered"]
    assert moody.tries < 60


async def test_a_message_older_than_an_hour_is_dropped_with_a_line_in_the_log_and_younger_ones_come() -> None:
    moody = Moody(up_at=4000.0)
    with capture_logs() as logs:
        async with Slack(SETTINGS, send_with=moody) as slack:
            slack.tell(said("old"))
            slack.tell(said("old too"))
            await asyncio.sleep(3000)
            slack.tell(said("young"))
            await asyncio.sleep(1200)
            summary = slack.summary
    assert summary == SlackSummary(waiting=0, sent=1, refused=0, dropped=2, trouble="")
    assert [text for _, text in moody.got] == ["young"]
    dropped = [(log["text"], log["why"]) for log in logs if log["event"] == "slack_message_dropped"]
    assert dropped == [("old", "Slack took nothing for an hour"), ("old too", "Slack took nothing for an hour")]


async def test_when_too_many_wait_the_oldest_are_dropped() -> None:
    moody = Moody(slow=1.0)
    with capture_logs() as logs:
        async with Slack(SETTINGS, send_with=moody, flush=timedelta(hours=2)) as slack:
            for number in range(ROOM + 2):
                slack.tell(said(str(number)))
    assert [text for _, text in moody.got] == [str(number) for number in range(2, ROOM + 2)]
    assert [log["text"] for log in logs if log["event"] == "slack_message_dropped"] == ["0", "1"]


@pytest.mark.parametrize(
    ("channel", "summary", "event"),
    [
        ("#none", SlackSummary(waiting=0, sent=1, refused=1, dropped=0, trouble=""), "slack_message_refused"),
        ("#bug", SlackSummary(waiting=0, sent=1, refused=0, dropped=1, trouble=""), "slack_message_dropped"),
    ],
)
async def test_a_message_that_cannot_be_sent_does_not_hold_up_the_next(
    channel: str, summary: SlackSummary, event: str
) -> None:
    moody = Moody()
    with capture_logs() as logs:
        async with Slack(SETTINGS, send_with=moody) as slack:
            slack.tell(said("lost", channel))
            slack.tell(said("next"))
        assert slack.summary == summary
    assert (moody.got, [log["event"] for log in logs]) == ([("#default", "next")], [event])


async def test_closing_sends_what_waits_but_no_longer_than_the_flush_time_and_logs_what_is_lost() -> None:
    moody = Moody(slow=2.0)
    with capture_logs() as logs:
        async with Slack(SETTINGS, send_with=moody, flush=timedelta(seconds=5)) as slack:
            before = asyncio.get_running_loop().time()
            for number in range(4):
                slack.tell(said(str(number)))
    assert asyncio.get_running_loop().time() - before == pytest.approx(5)
    assert [text for _, text in moody.got] == ["0", "1"]
    assert [(log["text"], log["why"]) for log in logs] == [
        ("2", "the controller stopped"),
        ("3", "the controller stopped"),
    ]


async def test_closing_with_nothing_to_send_takes_no_time() -> None:
    async with Slack(SETTINGS, send_with=Moody()):
        before = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() == before


@pytest.mark.parametrize("by_webhook", [False, True])
async def test_a_rate_limit_of_slack_is_waited_out(by_webhook: bool) -> None:
    async with slack_stand_in() as stand_in:
        settings = SlackSettings(token=stand_in.token, channel="#deployments", api_url=stand_in.url)
        if by_webhook:
            settings = SlackSettings(webhook_url=stand_in.webhook_url)
        stand_in.weather.rate_limited, stand_in.weather.retry_after = 2, 30
        with capture_logs() as logs:
            async with Slack(settings, flush=timedelta(minutes=5)) as slack:
                before = asyncio.get_running_loop().time()
                slack.tell(said("late"))
        waited = asyncio.get_running_loop().time() - before
    assert logs == []
    assert [message.text for message in stand_in.messages] == ["🟢 *shop/checkout* late"]
    assert 60 <= waited < 70


async def test_without_slack_a_notice_is_a_line_in_the_log() -> None:
    with capture_logs() as logs:
        notifier: Notifier = LogNotifier()
        notifier.tell(replace(NOTICE, text="rolled back", failure=True, facts={"Weight": "5 %"}))
    assert logs == [
        {
            "event": "people_told",
            "log_level": "warning",
            "text": "rolled back",
            "facts": {"Weight": "5 %"},
            "namespace": "shop",
            "canary": "checkout",
            "reason": "Step",
        }
    ]
