"""Gates before Slack's limits: a webhook that all canaries share, and gates that stay closed for long. Virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from canary.clients.slack import Slack
from canary.clients.slack_api import SlackSettings
from canary.clients.slack_gate import MOST_CHANNELS, Channels, Gate
from canary.errors import Unavailable
from canary.sandbox.slack import slack_stand_in
from tests.clients.slack_told import SETTINGS, Api, Controller, now

pytestmark = pytest.mark.looptime


async def test_a_gate_that_is_closed_for_longer_than_a_message_may_wait_drops_it_in_its_hour() -> None:
    api = Api()
    api.workspace.weather.rate_limited, api.workspace.weather.retry_after = 1, 80_000
    async with Slack(SETTINGS, api=api) as slack:
        one, other = Controller(slack, name="one"), Controller(slack, name="other")
        slack.listen(lambda _, name: {"one": one, "other": other}[name].look())
        one.say("0")
        other.say("1")
        await asyncio.sleep(3700)
        assert (slack.summary.dropped, slack.summary.waiting) == (2, 0)


async def test_a_webhook_gets_one_post_for_each_transition_and_waits_out_a_rate_limit() -> None:
    async with slack_stand_in(now=now) as stand_in:
        stand_in.weather.rate_limited, stand_in.weather.retry_after = 1, 30
        async with Slack(SlackSettings(webhook_url=stand_in.webhook_url)) as slack:
            controller = Controller(slack)
            for number in range(3):
                controller.say(str(number))
            before = asyncio.get_running_loop().time()
            await slack.idle()
        waited = asyncio.get_running_loop().time() - before
    assert [message.text for message in stand_in.messages] == [f"🟢 *shop/checkout* {number}" for number in range(3)]
    assert 30 <= waited < 40
    assert controller.thread is None


async def test_a_webhook_that_all_canaries_share_is_left_alone_by_each_until_retry_after_is_over() -> None:
    posts: list[tuple[float, str]] = []

    class Hook:
        async def post(self, body: Mapping[str, Any]) -> None:
            at = asyncio.get_running_loop().time()
            posts.append((at, str(body["text"])))
            if len(posts) == 1:
                raise Unavailable("not now", retry_after=40)
            if len(posts) == 2:
                raise Unavailable("not now either", retry_after=100)

    async with Slack(SlackSettings(webhook_url="https://hooks.example/x"), hook=Hook()) as slack:
        ten = {f"c{number}": Controller(slack, name=f"c{number}") for number in range(10)}
        slack.listen(lambda _, name: ten[name].look())
        for one in ten.values():
            one.say("0")
        await asyncio.sleep(300)
    moments = [at for at, _ in posts]
    assert moments[:3] == [0, pytest.approx(40), pytest.approx(140)]
    assert min(later - at for at, later in itertools.pairwise(moments)) >= 1
    assert len({text for _, text in posts[2:]}) == len(posts[2:]) == 10


async def test_who_waits_at_a_gate_waits_on_when_it_is_closed_again_in_the_meantime() -> None:
    gate, passed = Gate(width=3), []

    async def passes(after: float, takes: float, closes_for: float | None) -> None:
        await asyncio.sleep(after)
        try:
            async with gate.turn():
                passed.append(asyncio.get_running_loop().time())
                await asyncio.sleep(takes)
                raise Unavailable("full", retry_after=closes_for)
        except Unavailable:
            pass

    await asyncio.gather(passes(0, 3, 10), passes(0, 8, 30), passes(4, 1, None))
    assert passed == [0, 0, pytest.approx(38)]


async def test_of_those_that_are_not_urgent_one_at_most_stands_before_one_that_is() -> None:
    gate, passed = Gate(apart_s=1.0), []

    async def passes(name: str, *, urgent: bool) -> None:
        async with gate.turn(urgent=urgent):
            passed.append(name)

    patient = [asyncio.create_task(passes(f"patient {number}", urgent=False)) for number in range(5)]
    await asyncio.sleep(0.5)
    await passes("urgent", urgent=True)
    await asyncio.gather(*patient)
    assert passed == ["patient 0", "patient 1", "urgent", "patient 2", "patient 3", "patient 4"]


async def test_the_gates_of_the_newest_channels_are_kept_and_no_more() -> None:
    channels = Channels()
    for number in range(MOST_CHANNELS + 10):
        async with channels.turn(f"#c{number}"):
            pass
        channels.learn(f"#c{number}", f"C{number}")
    assert (len(channels._gates), len(channels._ids)) == (MOST_CHANNELS, MOST_CHANNELS)
