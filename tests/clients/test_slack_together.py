"""What comes faster than Slack takes it is told together, and found again after a crash. In virtual time."""

from __future__ import annotations

import asyncio

import pytest

from canary.clients.slack import Slack, SlackSummary
from tests.clients.slack_told import ROLLOUT, SETTINGS, Api, Controller

pytestmark = pytest.mark.looptime


async def test_more_than_eight_that_wait_are_one_message_in_the_thread_of_their_rollout() -> None:
    api = Api()
    api.workspace.weather.down = True
    async with Slack(SETTINGS, api=api) as slack:
        controller = Controller(slack)
        for number in range(9):
            controller.say(f"<{number}>", failure=number == 3, mentions=number == 3, loud=number == 8)
        await asyncio.sleep(5)
        api.workspace.weather.down = False
        await asyncio.sleep(60)
        summary = slack.summary
    card, together = api.workspace.messages
    head, *lines = together.plain().splitlines()
    assert (together.thread_ts, together.broadcast) == (card.ts, True)
    assert head == "🔴 shop/checkout 9 things came faster than Slack takes messages @S0TEAM"
    assert lines == [f"{'🔴' if number == 3 else '🟢'} 00:00:00 UTC Step: <{number}>" for number in range(9)]
    assert (summary, controller.waiting) == (SlackSummary(waiting=0, sent=9, refused=0, dropped=0, trouble=""), [])


async def test_many_that_wait_of_several_rollouts_are_one_message_in_the_channel() -> None:
    api = Api()
    api.workspace.weather.down = True
    async with Slack(SETTINGS, api=api) as slack:
        controller = Controller(slack)
        for number in range(9):
            controller.say(str(number), rollout=ROLLOUT if number < 5 else "r2")
        await asyncio.sleep(0.5)
        api.workspace.weather.down = False
        await asyncio.sleep(60)
    [card, together] = api.workspace.messages
    assert (card.metadata["event_payload"], together.metadata["event_payload"]) == (
        {"id": f"u-checkout/{ROLLOUT}"},
        {"id": "u-checkout/1", "last": 9},
    )
    assert together.thread_ts == ""


@pytest.mark.parametrize("later", [0, 3, 12])
async def test_what_was_told_together_is_found_after_a_death_and_not_told_again(later: int) -> None:
    api = Api()
    controller = Controller(Slack(SETTINGS, api=api))
    controller.say("first")
    await asyncio.sleep(20)
    controller.slack.listen(lambda _, __: None)
    api.workspace.weather.down = True
    for number in range(9):
        controller.say(str(number))
    api.workspace.weather.down = False
    await asyncio.sleep(20)
    await controller.slack.aclose()  # nothing of the telling was written: what was said waits still
    told = len(api.workspace.messages)
    assert api.workspace.messages[-1].metadata["event_payload"] == {"id": "u-checkout/2", "last": 10}
    async with Slack(SETTINGS, api=api) as slack:
        controller.slack = slack
        slack.listen(lambda _, __: controller.look())
        controller.tell()
        for number in range(later):
            controller.say(f"later {number}", rollout="r2")
        await asyncio.sleep(120)
    assert controller.waiting == []
    assert len(api.workspace.messages) == told + (1 if later > 8 else later)
    assert together_numbers(api) == list(range(1, 11 + later))


def together_numbers(api: Api) -> list[int]:
    """The numbers of the notices that are there, in order, however many a message tells."""
    found: list[int] = []
    for message in api.workspace.messages:
        payload = message.metadata["event_payload"]
        first = str(payload["id"]).rpartition("/")[2]
        if first.isdecimal():
            found += range(int(first), int(payload.get("last", first)) + 1)
    return found
