"""What is told about one canary and another, through every mood of Slack. In virtual time, without sockets."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from canary.clients.slack import LogNotifier, Slack, SlackSummary
from canary.ports import Bulletin, Notifier, Receipt
from canary.rollout.model import Thread
from tests.clients.slack_told import CARD, NOTICE, NOW, ROLLOUT, SETTINGS, Api, Controller, texts

pytestmark = pytest.mark.looptime


async def test_messages_come_in_order_in_the_thread_of_their_rollout() -> None:
    api = Api()
    async with Slack(SETTINGS, api=api) as slack:
        controller = Controller(slack)
        for number in range(5):
            controller.say(str(number), loud=number == 4)
        await slack.idle()
    card, *replies = api.workspace.messages
    assert [(one.text[-1], one.thread_ts, one.broadcast) for one in replies] == [
        (str(number), card.ts, number == 4) for number in range(5)
    ]
    assert controller.thread == Thread(rollout=ROLLOUT, channel="C00000001", ts=card.ts, asked="#default")
    assert controller.waiting == []


async def test_a_channel_that_a_canary_names_goes_before_the_default_and_only_a_call_mentions() -> None:
    api = Api()
    async with Slack(SETTINGS, api=api) as slack:
        Controller(slack).say("fault", channel="#own", failure=True, mentions=True, rollout="")
        await slack.idle()
    [message] = api.workspace.messages
    assert (message.channel, message.text) == ("C00000002", "🔴 *shop/checkout* fault <!subteam^S0TEAM>")


async def test_telling_never_waits_for_slack() -> None:
    api = Api()
    api.workspace.weather.slow = 3600.0
    async with Slack(SETTINGS, api=api) as slack:
        before = asyncio.get_running_loop().time()
        for number in range(50):
            Controller(slack, name=f"c{number}").say("x")
        assert asyncio.get_running_loop().time() == before


async def test_nothing_is_posted_before_the_status_has_the_post_before_it() -> None:
    api = Api()
    async with Slack(SETTINGS, api=api) as slack:
        controller = Controller(slack)
        slack.listen(lambda _, __: None)
        controller.say("0")
        controller.say("1")
        await asyncio.sleep(60)
        assert (len(api.workspace.messages), slack.receipt("shop", "checkout")) == (
            1,
            Receipt(
                told=0,
                thread=Thread(rollout=ROLLOUT, channel="C00000001", ts="1767225600.000000", asked="#default"),
                due=True,
            ),
        )


async def test_no_later_message_is_posted_before_the_status_has_the_one_before_it() -> None:
    api = Api()
    async with Slack(SETTINGS, api=api) as slack:
        controller = Controller(slack)
        controller.say("0")
        await asyncio.sleep(60)
        assert controller.waiting == []
        slack.listen(lambda _, __: None)  # from now on the status is not written
        controller.say("1")
        await asyncio.sleep(60)
        controller.waiting.append(replace(controller.waiting[-1], text="2", number=controller.waiting[-1].number + 1))
        controller.tell()
        await asyncio.sleep(60)
        assert texts(api.workspace) == ["0", "1"]


async def test_a_receipt_that_nothing_waits_for_is_written_with_the_next_change_or_a_little_later() -> None:
    api = Api()
    async with Slack(SETTINGS, api=api) as slack:
        controller = Controller(slack)
        controller.say("0")
        await asyncio.sleep(5)
        receipt = slack.receipt("shop", "checkout")
        assert receipt is not None
        assert (receipt.told, receipt.due, [one.text for one in controller.waiting]) == (1, False, ["0"])
        await asyncio.sleep(10)
        assert controller.waiting == []


async def test_updates_are_coalesced_to_one_a_second_and_the_last_one_wins() -> None:
    api = Api()
    async with Slack(SETTINGS, api=api) as slack:
        controller = Controller(slack)
        controller.say("0")
        await asyncio.sleep(20)
        api.calls.clear()
        for weight in range(100):
            controller.card = replace(CARD, weight=weight)
            controller.look()
            await asyncio.sleep(0.1)
        await slack.idle()
    moments = [at for at, method in api.calls]
    assert {method for _, method in api.calls} == {"chat.update"}
    assert len(moments) <= 12
    assert min(later - at for at, later in itertools.pairwise(moments)) >= 1
    assert "Progressing at 99 %" in api.workspace.messages[0].plain()


async def test_after_an_outage_every_message_comes_in_order_and_the_outage_is_logged_once() -> None:
    api = Api()
    api.workspace.weather.down = True
    with capture_logs() as logs:
        async with Slack(SETTINGS, api=api) as slack:
            controller = Controller(slack)
            for number in range(3):
                controller.say(str(number))
                await asyncio.sleep(60)
            assert slack.summary.waiting == 3
            await asyncio.sleep(1500)
            api.workspace.weather.down = False
            await asyncio.sleep(200)
            assert slack.summary == SlackSummary(waiting=0, sent=3, refused=0, dropped=0, trouble="")
    assert texts(api.workspace) == ["0", "1", "2"]
    assert [log["event"] for log in logs] == ["slack_failed", "slack_recovered"]
    assert len(api.calls) < 80


async def test_a_message_older_than_an_hour_is_dropped_with_a_line_in_the_log_and_younger_ones_come() -> None:
    api = Api()
    api.workspace.weather.down = True
    with capture_logs() as logs:
        async with Slack(SETTINGS, api=api) as slack:
            controller = Controller(slack)
            controller.say("old")
            controller.say("old too")
            await asyncio.sleep(3000)
            controller.say("young")
            await asyncio.sleep(900)
            api.workspace.weather.down = False
            await asyncio.sleep(300)
            summary = slack.summary
    assert summary == SlackSummary(waiting=0, sent=1, refused=0, dropped=2, trouble="")
    assert texts(api.workspace) == ["young"]
    dropped = [(log["text"], log["why"]) for log in logs if log["event"] == "slack_message_dropped"]
    assert dropped == [("old", "Slack took nothing for an hour"), ("old too", "Slack took nothing for an hour")]


async def test_a_rate_limit_is_kept_to_and_holds_up_no_other_method() -> None:
    api = Api()
    async with Slack(SETTINGS, api=api) as slack:
        one, other = Controller(slack, name="one"), Controller(slack, name="other")
        slack.listen(lambda _, name: {"one": one, "other": other}[name].look())
        one.say("0")
        await asyncio.sleep(20)
        api.calls.clear()
        api.workspace.weather.rate_limited, api.workspace.weather.retry_after = 1, 30
        one.card = replace(CARD, weight=50)
        one.look()
        await asyncio.sleep(0.1)
        other.say("1")
        await asyncio.sleep(60)
    began = api.calls[0][0]
    updates = [at - began for at, method in api.calls if method == "chat.update"]
    posts = [at - began for at, method in api.calls if method == "chat.postMessage"]
    assert (updates, max(posts) < 2) == ([0.0, pytest.approx(30.0)], True)


@pytest.mark.parametrize(
    ("trouble", "code", "remedy"),
    [
        ({"archived": frozenset({"default"})}, "is_archived", "choose another channel"),
        ({"members": frozenset()}, "not_in_channel", "invite the app to the channel"),
        ({"scopes": frozenset()}, "missing_scope", "give the app its scopes"),
        ({"channels": ("other",)}, "channel_not_found", "check the channel's name"),
    ],
)
async def test_what_slack_refuses_is_logged_once_with_the_remedy_and_not_tried_again(
    trouble: dict[str, Any], code: str, remedy: str
) -> None:
    api = Api()
    for name, value in trouble.items():
        setattr(api.workspace, name, value)
    with capture_logs() as logs:
        async with Slack(SETTINGS, api=api) as slack:
            controller = Controller(slack)
            for number in range(3):
                controller.say(str(number))
                await asyncio.sleep(60)
            receipt = slack.receipt("shop", "checkout")
            await asyncio.sleep(4000)
            assert (slack.summary.refused, len(api.calls)) == (3, 3)
    assert receipt is not None
    assert f"({code}): {remedy}" in receipt.trouble
    assert [log["why"] for log in logs] == [receipt.trouble]


async def test_without_a_channel_nothing_is_asked_of_slack_and_the_remedy_is_told() -> None:
    api = Api()
    with capture_logs() as logs:
        async with Slack(replace(SETTINGS, channel=""), api=api) as slack:
            Controller(slack).say("0")
            await slack.idle()
    assert (api.calls, [log["event"] for log in logs]) == ([], ["slack_message_refused"])
    assert "set --slack-channel, or canary.delivery/slack-channel on the Deployment" in logs[0]["why"]


async def test_a_message_that_slack_will_not_have_changed_is_left_and_the_thread_goes_on() -> None:
    api = Api()
    with capture_logs() as logs:
        async with Slack(SETTINGS, api=api) as slack:
            controller = Controller(slack)
            controller.say("0")
            await asyncio.sleep(20)
            api.refused["chat.update"] = "edit_window_closed"
            for weight in (30, 40):
                controller.card = replace(CARD, weight=weight)
                controller.look()
                await asyncio.sleep(20)
            controller.say("1")
            await slack.idle()
    assert ([log["event"] for log in logs], texts(api.workspace)) == (["slack_update_refused"], ["0", "1"])
    assert [method for _, method in api.calls].count("chat.update") == 2


async def test_a_message_that_somebody_deleted_is_posted_anew_with_the_next_transition() -> None:
    api = Api()
    async with Slack(SETTINGS, api=api) as slack:
        controller = Controller(slack)
        controller.say("0")
        await asyncio.sleep(20)
        api.workspace.messages[0].deleted = True
        controller.card = replace(CARD, weight=50)
        controller.look()
        await asyncio.sleep(20)
        controller.say("1")
        await slack.idle()
    cards = [one for one in api.workspace.messages if one.blocks]
    assert ([one.deleted for one in cards], texts(api.workspace)) == ([True, False], ["0", "1"])
    assert api.workspace.messages[-1].thread_ts == cards[-1].ts


async def test_the_last_words_are_told_as_soon_as_slack_takes_them_and_nothing_to_tell_takes_no_time() -> None:
    api = Api()
    async with Slack(SETTINGS, api=api) as slack:
        before = asyncio.get_running_loop().time()
        await slack.idle()
        assert asyncio.get_running_loop().time() == before
        controller = Controller(slack)
        controller.say("0")
        controller.say("1")
        await slack.idle()
        assert len(api.workspace.messages) == 3
        assert asyncio.get_running_loop().time() <= before + 2 * 1.1
        assert controller.waiting == []


async def test_without_slack_a_notice_is_a_line_in_the_log() -> None:
    notice = replace(NOTICE, text="rolled back", failure=True, facts={"Weight": "5 %"})
    told = Bulletin(
        namespace="shop", canary="checkout", uid="u", now=NOW, notices=[notice], sure_from=1, cards={}, thread=None
    )
    with capture_logs() as logs:
        notifier: Notifier = LogNotifier()
        notifier.tell(told)
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
