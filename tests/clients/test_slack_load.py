"""Many canaries with one rollout after the other, and a Slack that is slow, away now and then, and limits."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from canary.clients.slack import Slack, SlackSummary
from canary.controller.outbox import ROOM
from canary.ports import Mood
from canary.sandbox.slack_workspace import PostedMessage
from tests.clients.slack_told import CARD, NOW, SETTINGS, Api, Controller

pytestmark = pytest.mark.looptime

CANARIES, MINUTES = 30, 6
ROLLOUT_S = 10.0
"""Six rollouts a minute for each canary, all in one channel."""

AWAY_EVERY_S, AWAY_S = 70.0, 4.0
WRITE_S = 0.5
"""How long a pass takes that writes a receipt."""


@dataclass(slots=True)
class Town:
    """Canaries that all tell of their rollouts, and what of it waited, second by second."""

    slack: Slack
    api: Api
    canaries: dict[str, Controller] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)
    said: int = 0

    def __post_init__(self) -> None:
        for number in range(CANARIES):
            self.canaries[f"c{number}"] = Controller(self.slack, name=f"c{number}")
        self.slack.listen(self._woken)

    def _woken(self, _: str, name: str) -> None:
        asyncio.get_running_loop().call_later(WRITE_S, self.canaries[name].look)

    async def live(self, name: str, minutes: float) -> None:
        """One rollout after the other, with a card of its own each."""
        one = self.canaries[name]
        await asyncio.sleep(int(name[1:]) * ROLLOUT_S / CANARIES)
        for number in range(int(minutes * 60 / ROLLOUT_S)):
            one.rollout = f"r{number}"
            began = NOW + timedelta(seconds=asyncio.get_running_loop().time())
            one.card = replace(CARD, revision=one.rollout, started_at=began)
            for weight in (0, 20, 50, 80, 100):
                one.card = replace(one.card, weight=weight)
                self._say(one, f"weight is {weight}")
                await asyncio.sleep(ROLLOUT_S / 5)
            one.card = replace(one.card, phase="Succeeded", mood=Mood.GOOD, ended_at=began)
            self._say(one, "promoted", loud=True)

    def _say(self, one: Controller, text: str, **more: bool) -> None:
        self.said += 1
        one.say(f"{one.rollout}: {text}", rollout=one.rollout, **more)

    async def look(self) -> None:
        while True:
            self.waiting.append(self.slack.summary.waiting)
            await asyncio.sleep(1)

    async def disturb(self) -> None:
        while True:
            await asyncio.sleep(AWAY_EVERY_S - AWAY_S)
            self.api.workspace.weather.down = True
            await asyncio.sleep(AWAY_S)
            self.api.workspace.weather.down = False

    def told(self) -> int:
        """How many notices are in Slack, counted by their numbers: none may be there twice."""
        numbers = Counter(number for one in self.api.workspace.messages for number in _numbers(one))
        assert set(numbers.values()) == {1}
        return len(numbers)


def _numbers(message: PostedMessage) -> list[tuple[str, int]]:
    payload = message.metadata["event_payload"]
    of, _, number = str(payload["id"]).rpartition("/")
    if not number.isdecimal():
        return []
    return [(of, each) for each in range(int(number), int(payload.get("last", number)) + 1)]


@asynccontextmanager
async def town(slow: float = 1.0) -> AsyncIterator[Town]:
    api = Api()
    api.workspace.weather.slow = slow
    async with Slack(SETTINGS, api=api) as slack:
        it = Town(slack, api)
        tasks = [asyncio.create_task(it.look()), asyncio.create_task(it.disturb())]
        try:
            yield it
        finally:
            for task in tasks:
                task.cancel()


async def test_a_slow_slack_leaves_the_outbox_bounded_and_it_comes_to_rest() -> None:
    async with town() as it:
        await asyncio.gather(*(it.live(name, MINUTES) for name in it.canaries))
        busy = list(it.waiting)
        await asyncio.sleep(120)
        summary, calls = it.slack.summary, it.api.calls
    assert max(busy[-60:]) <= max(busy[60:120]) * 1.25
    assert max(busy) < CANARIES * ROOM
    assert summary == SlackSummary(waiting=0, sent=it.said, refused=0, dropped=0, trouble="")
    assert it.told() == it.said
    assert len(calls) < it.said / 10
    assert it.api.workspace.limited == 0


async def test_messages_in_a_channel_are_a_second_apart_whoever_they_are_of_and_by_name_or_id() -> None:
    async with town(slow=0.0) as it:
        for number, one in enumerate(it.canaries.values()):
            one.say("x", rollout="", channel="C00000002" if number % 2 else "#own")
            await asyncio.sleep(0 if number else 5)  # the first answer tells which channel #own is
        await asyncio.sleep(60)
    moments = [at for at, _ in it.api.calls]
    assert len(moments) == CANARIES
    assert min(later - at for at, later in itertools.pairwise(moments)) >= 1.0
    assert it.api.workspace.limited == 0


async def test_updates_are_as_far_apart_as_slack_asks_and_each_shows_what_is_so_when_its_turn_comes() -> None:
    async with town(slow=0.0) as it:
        for one in it.canaries.values():
            one.say("started")
        await asyncio.sleep(150)
        it.api.calls.clear()
        for weight in range(1, 61):
            for one in it.canaries.values():
                one.card = replace(CARD, weight=weight)
                one.look()
            await asyncio.sleep(1)
        await asyncio.sleep(60)
    moments = [at for at, _ in it.api.calls]
    assert {method for _, method in it.api.calls} == {"chat.update"}
    assert min(later - at for at, later in itertools.pairwise(moments)) >= 1.2
    assert len(moments) <= 3 * CANARIES
    cards = [one.plain() for one in it.api.workspace.messages if one.blocks]
    assert [f"at {60} %" in card for card in cards] == [True] * CANARIES
    assert it.api.workspace.limited == 0
