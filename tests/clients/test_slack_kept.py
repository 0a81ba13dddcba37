"""What the telling keeps in memory does not grow with what was told."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from canary.clients.once import Once
from canary.clients.slack import Slack
from canary.errors import Unavailable
from tests.clients.slack_told import SETTINGS, Api, Controller
from tests.scenarios.kept import kept

pytestmark = pytest.mark.looptime


async def test_a_canary_that_goes_while_its_receipt_waits_to_be_written_leaves_nothing_behind() -> None:
    async def told_and_gone(slack: Slack, *names: str) -> None:
        for name in names:
            Controller(slack, name=name).say("0")
            await asyncio.sleep(3)  # it is told by then, and its receipt is not yet written
            slack.forget("shop", name)
        await asyncio.sleep(60)

    async with Slack(SETTINGS, api=Api()) as slack:
        await told_and_gone(slack, "first")
        before = kept()
        await told_and_gone(slack, "second", "third", "fourth")
        assert kept() - before == Counter()


async def test_what_was_in_doubt_is_forgotten_once_it_is_told() -> None:
    class Lossy(Api):
        async def call(self, method: str, arguments: object) -> dict[str, object]:
            answer = await super().call(method, arguments)  # type: ignore[arg-type]
            if method == "chat.postMessage" and len(self.calls) % 2:
                raise Unavailable("the answer was lost", outcome_unknown=True)
            return dict(answer)

    async with Slack(SETTINGS, api=Lossy()) as slack:
        controller = Controller(slack)
        controller.say("0")
        await slack.idle()
        before = kept()
        for number in range(1, 6):
            controller.say(str(number))
            await slack.idle()
        assert kept() - before == Counter()


def test_the_newest_things_are_remembered_and_no_more() -> None:
    once = Once(most=2)
    assert [once.is_new(thing) for thing in "aabacab"] == [True, False, True, False, True, False, True]
    assert len(once) == 2
