"""Events beside the passes: in order, bounded, and never in the way."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from canary.controller.announcing import ROOM, Announcer
from canary.controller.due import Key
from canary.controller.tell import About, Teller
from canary.errors import Unavailable
from canary.ports import CANARY, EVENT
from canary.rollout.model import Notice
from canary.sandbox.cluster import InMemoryCluster
from tests.builders import canary, ref
from tests.told import Told

pytestmark = pytest.mark.looptime
KEY = ("shop", "checkout")


class Desk:
    """An announcer on a cluster with one Canary, and the keys that it asked passes for."""

    def __init__(self, cluster: InMemoryCluster) -> None:
        self.cluster = cluster
        cluster.apply(canary())
        self.about = About(canary=cluster.now(ref(CANARY)), target=None)
        self.asked: list[Key] = []
        self.client = cluster.client("canary-controller")
        self.announcer = Announcer(Teller(self.client, Told(), cluster.clock), start=self.asked.append)

    def send(self, *reasons: str) -> None:
        notices = [Notice(reason=reason, text=f"{reason} happened") for reason in reasons]
        self.announcer.send(notices, self.about)

    @property
    def written(self) -> list[str]:
        return [str(one["reason"]) for one in self.cluster.store.list(EVENT, "shop")]


async def test_notices_are_written_in_order_once_a_pass_is_made(cluster: InMemoryCluster) -> None:
    desk = Desk(cluster)
    desk.send("A", "B")
    desk.send("C")
    assert (desk.asked, desk.written) == ([KEY, KEY], [])
    await desk.announcer(KEY)
    assert sorted(desk.written) == ["A", "B", "C"]
    await desk.announcer(KEY)
    assert len(desk.written) == 3


async def test_the_answer_to_a_command_is_written_before_the_call_returns(cluster: InMemoryCluster) -> None:
    desk = Desk(cluster)
    desk.send("A")
    await desk.announcer.tell([Notice(reason="B", text="refused")], desk.about, at_once=True)
    assert sorted(desk.written) == ["A", "B"]


async def test_nothing_to_tell_asks_for_no_pass(cluster: InMemoryCluster) -> None:
    desk = Desk(cluster)
    desk.send()
    assert desk.asked == []
    await desk.announcer.idle()


async def test_over_a_hundred_batches_the_oldest_is_dropped_and_logged(cluster: InMemoryCluster) -> None:
    desk = Desk(cluster)
    with capture_logs() as logs:
        for number in range(ROOM + 2):
            desk.send(f"R{number}")
    dropped = [line["reasons"] for line in logs if line["event"] == "events_dropped"]
    assert dropped == [["R0"], ["R1"]]
    await desk.announcer(KEY)
    assert len(desk.written) == ROOM


async def test_what_cannot_be_written_is_logged_and_leaves_nothing_waiting(cluster: InMemoryCluster) -> None:
    desk = Desk(cluster)

    def refuses(*_: object) -> None:
        raise Unavailable("no")

    desk.client.before = refuses
    with capture_logs() as logs:
        desk.send("A")
        await desk.announcer(KEY)
    assert [line["event"] for line in logs] == ["told", "event_not_written"]
    await desk.announcer.idle()
