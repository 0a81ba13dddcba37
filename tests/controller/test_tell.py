"""Notices become Events on the right objects and messages to people, and a fault in telling stops nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from canary.clients.slack import Slack, SlackSummary
from canary.controller.outbox import ROOM
from canary.controller.tell import LONGEST_NOTE, About, Teller, event
from canary.errors import Unavailable
from canary.ports import CANARY, DEPLOYMENT, EVENT
from canary.rollout.model import Decision, Notice, Status
from canary.rollout.phases import Phase
from canary.rollout.situation import Pass
from canary.sandbox.calls import Call
from canary.sandbox.cluster import InMemoryCluster
from tests.builders import canary, deployment, ref
from tests.clients.slack_told import SETTINGS, Api
from tests.rollout import builders as rollout
from tests.rollout.builders import a_plan, a_world, at_rest
from tests.told import Told

pytestmark = pytest.mark.looptime

STARTED = Notice(reason="RolloutStarted", text="Rollout of abc started", milestone=True, facts={"revision": "abc"})
FAILED = Notice(reason="CheckFailed", text="success-rate is 91 %", warning=True, slack=False)


def about(cluster: InMemoryCluster) -> About:
    cluster.apply(deployment())
    cluster.apply(canary())
    return About(canary=cluster.now(ref(CANARY)), target=cluster.now(ref(DEPLOYMENT)))


def events(cluster: InMemoryCluster) -> list[tuple[str, str, str, str]]:
    """Type, kind of the object, reason and text of each Event, sorted."""
    return sorted(
        (one["type"], one["involvedObject"]["kind"], one["reason"], one["message"])
        for one in cluster.store.list(EVENT, "shop")
    )


async def test_milestones_are_events_on_both_objects_and_the_rest_on_the_canary(cluster: InMemoryCluster) -> None:
    teller = Teller(cluster, Told(), cluster.clock)
    assert await teller.record([STARTED, FAILED], about(cluster)) == []
    assert events(cluster) == [
        ("Normal", "Canary", "RolloutStarted", "Rollout of abc started"),
        ("Normal", "Deployment", "RolloutStarted", "Rollout of abc started"),
        ("Warning", "Canary", "CheckFailed", "success-rate is 91 %"),
    ]


async def test_an_event_names_the_object_the_moment_and_us(cluster: InMemoryCluster) -> None:
    subject = about(cluster).canary
    made = event(subject, FAILED, cluster.clock.now())
    assert made["involvedObject"]["uid"] == subject["metadata"]["uid"]
    assert (made["metadata"]["namespace"], made["source"]) == ("shop", {"component": "canary-controller"})
    assert (made["firstTimestamp"], made["lastTimestamp"], made["count"]) == (made["lastTimestamp"],) * 2 + (1,)


async def test_the_same_notice_at_the_same_moment_is_one_event(cluster: InMemoryCluster) -> None:
    teller, subject = Teller(cluster, Told(), cluster.clock), about(cluster)
    assert await teller.record([FAILED, FAILED], subject) == []
    assert len(events(cluster)) == 1
    now = cluster.clock.now()
    names = {event(subject.canary, FAILED, now + timedelta(seconds=at))["metadata"]["name"] for at in (0, 0, 1)}
    assert len(names) == 2


async def test_a_long_text_is_cut_to_what_the_api_server_takes(cluster: InMemoryCluster) -> None:
    made = event(about(cluster).canary, Notice(reason="Fault", text="x" * 5000), cluster.clock.now())
    assert (len(made["message"]), made["message"][-3:]) == (LONGEST_NOTE, "...")


async def test_an_event_that_cannot_be_written_is_returned_and_the_others_are_written(cluster: InMemoryCluster) -> None:
    subject = about(cluster)

    def refuse(call: Call) -> None:
        if call.body["reason"] == "RolloutStarted":
            raise Unavailable("the API server is away")

    cluster.before = refuse
    teller = Teller(cluster, Told(), cluster.clock)
    assert await teller.record([STARTED, FAILED], subject) == ["the API server is away"] * 2
    assert [reason for _, _, reason, _ in events(cluster)] == ["CheckFailed"]


RESTING = Status(phase=Phase.SUCCEEDED)
MANY = tuple(Notice(reason="Fault", text=str(number)) for number in range(ROOM + 2))


def a_decision(status: Status, notices: tuple[Notice, ...]) -> Decision:
    return replace(rollout.decided(at_rest(), a_world()), status=status, notices=notices)


def decided(*notices: Notice) -> Decision:
    return a_decision(RESTING, notices)


async def test_what_finds_no_room_is_logged_and_counted_once_after_the_write(cluster: InMemoryCluster) -> None:
    api = Api()
    api.workspace.weather.down = True
    async with Slack(SETTINGS, api=api) as slack:
        teller, plan = Teller(cluster, slack, cluster.clock), a_plan()
        with capture_logs() as logs:
            teller.remember(RESTING, decided(*MANY), plan)  # its write ends in a conflict
            assert (slack.summary.dropped, logs) == (0, [])
            after = teller.remember(RESTING, decided(*MANY), plan)
            it = Pass(plan=plan, status=after, world=a_world(), now=cluster.clock.now())
            teller.post(it, RESTING, MANY, "u")
            teller.post(it, after, (), "u")
        dropped = [(log["text"], log["why"]) for log in logs if log["event"] == "slack_message_dropped"]
        assert dropped == [("0", f"over {ROOM} messages wait"), ("1", f"over {ROOM} messages wait")]
        assert slack.summary == SlackSummary(waiting=ROOM, sent=0, refused=0, dropped=2, trouble="")


async def test_what_was_told_makes_room_before_anything_is_given_up(cluster: InMemoryCluster) -> None:
    async with Slack(SETTINGS, api=Api()) as slack:
        teller, plan = Teller(cluster, slack, cluster.clock), a_plan()
        before = teller.remember(RESTING, decided(*MANY[:ROOM]), plan)
        it = Pass(plan=plan, status=before, world=a_world(), now=cluster.clock.now())
        teller.post(it, RESTING, MANY[:ROOM], "u")
        await asyncio.sleep(5)
        assert slack.summary.waiting == 0
        after = teller.remember(before, a_decision(before, (STARTED,)), plan)
        teller.post(replace(it, status=after), before, (STARTED,), "u")
        assert ([letter.text for letter in after.telling.letters], slack.summary.dropped) == ([STARTED.text], 0)


async def test_what_comes_up_while_no_status_can_be_written_is_bounded_and_what_is_lost_is_counted(
    cluster: InMemoryCluster,
) -> None:
    api = Api()
    async with Slack(SETTINGS, api=api) as slack:
        teller, plan = Teller(cluster, slack, cluster.clock), a_plan()
        it = Pass(plan=plan, status=RESTING, world=a_world(), now=cluster.clock.now())
        for notice in MANY:
            teller.also(it, [notice], "u")
        after = teller.remember(RESTING, decided(), plan)
        assert [letter.text for letter in after.telling.letters] == [notice.text for notice in MANY[2:]]
        assert slack.summary.dropped == 2
