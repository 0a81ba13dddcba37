"""The election in virtual time: each elector has a client of its own, as if in a process of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from canary.controller.leader import Elector, Guarded
from canary.errors import Unavailable
from canary.ports import LEASE, SERVICE
from canary.sandbox.calls import Call, Verb
from canary.sandbox.client import Client
from canary.sandbox.cluster import InMemoryCluster
from meshes.contract import ObjectRef
from tests.builders import ref, service

pytestmark = pytest.mark.looptime

LEASED = ("default", "canary-controller")
THE_LEASE = ObjectRef(LEASE, *LEASED)


@dataclass(slots=True)
class Skewed:
    """A clock of a machine that is wrong by some hours."""

    cluster: InMemoryCluster
    hours: float = 0.0

    def now(self) -> datetime:
        return self.cluster.clock.now() + timedelta(hours=self.hours)


@dataclass(slots=True)
class Contender:
    """One process: `worked` notes its name and epoch as its work begins, and its name again as it ends."""

    name: str
    client: Client
    elector: Elector
    worked: list[str]
    fault: Exception | None = None
    epochs: list[str] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    async def work(self, epoch: str) -> None:
        self.epochs.append(epoch)
        self.worked.append(f"{self.name} begins")
        try:
            if self.fault is not None:
                raise self.fault
            await asyncio.Event().wait()
        finally:
            self.worked.append(f"{self.name} ends")

    def start(self) -> None:
        self.task = asyncio.create_task(self.elector.lead(self.work))

    def crash(self) -> None:
        """End it as SIGKILL does: none of its requests arrives any more."""
        self.client.before = unreachable
        assert self.task is not None
        self.task.cancel()


class Election:
    """The contenders of one Lease."""

    def __init__(self, cluster: InMemoryCluster) -> None:
        self.cluster = cluster
        self.worked: list[str] = []
        self.all: list[Contender] = []

    def joins(self, name: str, *, hours: float = 0.0, fault: Exception | None = None) -> Contender:
        client = self.cluster.client(name)
        elector = Elector(client, Skewed(self.cluster, hours), lease=LEASED, identity=name)
        self.all.append(Contender(name, client, elector, self.worked, fault))
        self.all[-1].start()
        return self.all[-1]

    def lease(self) -> dict[str, Any]:
        return dict(self.cluster.now(THE_LEASE)["spec"])


def unreachable(_: Call) -> None:
    raise Unavailable("the API server did not answer")


async def silent(_: Call) -> None:
    await asyncio.Event().wait()


@pytest.fixture
async def election(cluster: InMemoryCluster) -> Any:
    it = Election(cluster)
    yield it
    for each in it.all:
        assert each.task is not None
        each.task.cancel()
    await asyncio.gather(*(each.task for each in it.all if each.task is not None), return_exceptions=True)


async def test_one_of_two_leads_and_goes_on_leading(election: Election) -> None:
    first, second = election.joins("a"), election.joins("b")
    await asyncio.sleep(300)
    assert election.worked == ["a begins"]
    assert (first.elector.holds(), second.elector.holds()) == (True, False)
    assert (election.lease()["holderIdentity"], election.lease()["leaseTransitions"]) == ("a", 1)


async def test_after_a_crash_another_leads_once_the_lease_has_run_out(election: Election) -> None:
    first = election.joins("a")
    await asyncio.sleep(60)
    second = election.joins("b")
    await asyncio.sleep(1)
    first.crash()
    await asyncio.sleep(12)
    assert election.worked == ["a begins", "a ends"]
    await asyncio.sleep(6)
    assert election.worked == ["a begins", "a ends", "b begins"]
    assert first.epochs != second.epochs


async def test_a_lease_is_waited_out_in_full_by_who_comes_later(election: Election) -> None:
    election.joins("a")
    await asyncio.sleep(1)
    election.all[0].crash()
    await asyncio.sleep(1000)
    election.joins("b")
    await asyncio.sleep(14.9)
    assert election.worked == ["a begins", "a ends"]
    await asyncio.sleep(3)
    assert election.worked[-1] == "b begins"


@pytest.mark.parametrize("hours", [-10.0, 10.0])
async def test_clocks_that_differ_elect_nobody_twice(election: Election, hours: float) -> None:
    election.joins("a", hours=hours)
    await asyncio.sleep(1)
    election.joins("b")
    await asyncio.sleep(300)
    assert election.worked == ["a begins"]


@pytest.mark.parametrize("fault", [unreachable, silent])
async def test_work_ends_before_another_may_lead_when_renewing_fails(election: Election, fault: Any) -> None:
    first = election.joins("a")
    await asyncio.sleep(60)
    election.joins("b")
    await asyncio.sleep(1)
    first.client.before = fault
    await asyncio.sleep(8 - 3)
    assert election.worked == ["a begins"]
    assert first.task is not None
    await asyncio.wait_for(first.task, 15 - 5)
    assert (election.worked, first.elector.holds()) == (["a begins", "a ends"], False)
    await asyncio.sleep(15)
    assert election.worked == ["a begins", "a ends", "b begins"]


async def test_a_leader_rides_out_an_api_server_that_is_away_for_a_moment(election: Election) -> None:
    first = election.joins("a")
    await asyncio.sleep(60)
    first.client.before = unreachable
    await asyncio.sleep(6)
    first.client.before = None
    await asyncio.sleep(60)
    assert election.worked == ["a begins"]


async def test_a_leader_that_ends_lets_the_next_begin_within_a_retry(election: Election) -> None:
    first = election.joins("a")
    await asyncio.sleep(1)
    election.joins("b")
    await asyncio.sleep(60)
    assert first.task is not None
    first.task.cancel()
    await asyncio.wait([first.task])
    assert (election.lease()["holderIdentity"], first.elector.holds()) == ("", False)
    await asyncio.sleep(2.1)
    assert election.worked == ["a begins", "a ends", "b begins"]


async def test_a_lease_is_released_though_a_renewal_was_cut_off(election: Election) -> None:
    first = election.joins("a")
    await asyncio.sleep(1)

    async def arrives_and_hangs(call: Call) -> None:
        if "renewTime" in call.body.get("spec", {}):
            await asyncio.Event().wait()

    first.client.after = arrives_and_hangs
    await asyncio.sleep(2)
    assert first.task is not None
    first.task.cancel()
    await asyncio.wait([first.task])
    assert election.lease()["holderIdentity"] == ""


async def test_a_fault_of_the_work_ends_the_leadership_and_is_raised(election: Election) -> None:
    first = election.joins("a", fault=ValueError("broken"))
    assert first.task is not None
    with pytest.raises(ValueError, match="broken"):
        await first.task
    assert election.lease()["holderIdentity"] == ""


async def test_a_lease_that_is_taken_ends_the_work_at_the_next_renewal(election: Election) -> None:
    first = election.joins("a")
    await asyncio.sleep(60)
    election.cluster.edit(THE_LEASE, {"spec": {"holderIdentity": "b", "leaseTransitions": 2}})
    await asyncio.sleep(2.1)
    assert first.task is not None
    assert (first.task.done(), election.worked) == (True, ["a begins", "a ends"])
    assert election.lease()["holderIdentity"] == "b"


async def test_a_lease_that_is_deleted_ends_the_work_and_its_epoch_never_comes_again(election: Election) -> None:
    first = election.joins("a")
    await asyncio.sleep(60)
    election.cluster.remove(THE_LEASE)
    await asyncio.sleep(2.1)
    assert election.worked == ["a begins", "a ends"]
    second = election.joins("b")
    await asyncio.sleep(3)
    assert election.worked[-1] == "b begins"
    assert first.epochs != second.epochs


async def test_an_object_that_somebody_touched_is_still_ours(election: Election) -> None:
    election.joins("a")
    for _ in range(5):
        await asyncio.sleep(7)
        election.cluster.edit(THE_LEASE, {"metadata": {"labels": {"touched": "yes"}}})
    await asyncio.sleep(60)
    assert election.worked == ["a begins"]


async def test_a_write_by_who_does_not_lead_is_refused_without_a_request(cluster: InMemoryCluster) -> None:
    cluster.apply(service())
    client = cluster.client("a")
    guarded = Guarded(client, lambda: False)
    live = cluster.now(ref(SERVICE))
    at, uid = live["metadata"]["resourceVersion"], live["metadata"]["uid"]
    for write in (
        guarded.create(service("other")),
        guarded.patch(ref(SERVICE), {"metadata": {"labels": {"a": "b"}}}, resource_version=at),
        guarded.delete(ref(SERVICE), uid=uid, resource_version=at),
    ):
        with pytest.raises(Unavailable, match="no longer holds the lease"):
            await write
    assert client.requests.writes == 0
    assert await guarded.read(ref(SERVICE)) == live


async def test_a_frozen_leader_may_not_write_from_the_moment_it_wakes(election: Election) -> None:
    first = election.joins("a")
    await asyncio.sleep(60)
    guarded = Guarded(first.client, first.elector.holds)
    first.client.before = silent  # nothing that it sends arrives, as while it is frozen
    await asyncio.sleep(7.9)
    assert first.elector.holds()
    await asyncio.sleep(2.2)
    with pytest.raises(Unavailable, match="it writes nothing"):
        await guarded.create(service())
    assert first.client.requests.counts[Verb.CREATE, SERVICE] == 0
