"""Notices become Events on the right objects and messages to people, and a fault in telling stops nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from canary.controller.tell import LONGEST_NOTE, About, Teller, event
from canary.errors import Unavailable
from canary.ports import CANARY, DEPLOYMENT, EVENT
from canary.rollout.model import Notice
from canary.sandbox.calls import Call
from canary.sandbox.cluster import InMemoryCluster
from tests.builders import canary, deployment, ref
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
