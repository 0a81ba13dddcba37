"""A client of the in-memory API server: its cache, its events, what is counted, and the faults that tests plant."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from canary.errors import Conflict, Unavailable
from canary.ports import CANARY, SERVICE, Change, Watched
from canary.sandbox.calls import Call, Verb
from canary.sandbox.cluster import InMemoryCluster
from tests.builders import canary, ref, service

pytestmark = pytest.mark.looptime

APEX = ref(SERVICE)


def heard(events: list[tuple[Change, str, str]]) -> Callable[[Watched], None]:
    """A listener that notes services: what happened, to which, and the label `n` it then had."""

    def listen(event: Watched) -> None:
        if event.ref.kind == SERVICE:
            label = event.manifest["metadata"]["labels"].get("n", "")
            events.append((event.change, event.ref.name, label))

    return listen


def relabel(cluster: InMemoryCluster, label: str) -> None:
    cluster.edit(APEX, {"metadata": {"labels": {"n": label}}})


async def test_listeners_hear_what_is_there_and_then_each_change_in_order(cluster: InMemoryCluster) -> None:
    events: list[tuple[Change, str, str]] = []
    cluster.apply(service())
    cluster.subscribe(heard(events))
    await asyncio.sleep(0.1)

    relabel(cluster, "1")
    relabel(cluster, "2")
    cluster.remove(APEX)
    assert events == [(Change.ADDED, "checkout", "")]
    await asyncio.sleep(0.1)

    assert events == [
        (Change.ADDED, "checkout", ""),
        (Change.MODIFIED, "checkout", "1"),
        (Change.MODIFIED, "checkout", "2"),
        (Change.DELETED, "checkout", "2"),
    ]


async def test_what_a_write_returns_is_in_the_cache_at_once_and_heard_once(cluster: InMemoryCluster) -> None:
    events: list[tuple[Change, str, str]] = []
    cluster.subscribe(heard(events))
    cluster.lag = 5.0

    new = await cluster.create(service())
    assert cluster.get(APEX) == new
    assert list(cluster.list(SERVICE, "shop", {"app": "checkout"})) == [new]
    await asyncio.sleep(10)

    assert events == [(Change.ADDED, "checkout", "")]


async def test_a_lagging_cache_is_old_but_never_goes_back(cluster: InMemoryCluster) -> None:
    cluster.lag = 5.0
    await cluster.create(service())
    relabel(cluster, "theirs")
    await asyncio.sleep(4)
    stale = cluster.get(APEX)
    assert stale is not None
    assert "n" not in stale["metadata"]["labels"]

    with pytest.raises(Conflict):
        await cluster.patch(APEX, {"spec": {}}, resource_version=stale["metadata"]["resourceVersion"])
    fresh = await cluster.read(APEX)
    assert fresh is not None
    mine = await cluster.patch(
        APEX, {"metadata": {"labels": {"n": "mine"}}}, resource_version=fresh["metadata"]["resourceVersion"]
    )
    await asyncio.sleep(20)

    assert cluster.get(APEX) == mine


async def test_events_can_be_held_and_arrive_in_order(cluster: InMemoryCluster) -> None:
    events: list[tuple[Change, str, str]] = []
    cluster.subscribe(heard(events))
    await asyncio.sleep(0.1)
    cluster.hold_events()
    cluster.apply(service())
    relabel(cluster, "1")
    await asyncio.sleep(60)
    assert (events, cluster.get(APEX)) == ([], None)

    cluster.release_events()
    await asyncio.sleep(0.1)

    assert events == [(Change.ADDED, "checkout", ""), (Change.MODIFIED, "checkout", "1")]


async def test_an_object_made_again_under_the_same_name_is_heard_as_gone_and_new(cluster: InMemoryCluster) -> None:
    events: list[tuple[Change, str, str]] = []
    cluster.apply(service())
    cluster.subscribe(heard(events))
    await asyncio.sleep(0.1)
    cluster.lag = 5.0

    cluster.remove(APEX)
    await cluster.create(service())
    await asyncio.sleep(10)

    assert [change for change, _, _ in events] == [Change.ADDED, Change.DELETED, Change.ADDED]


async def test_requests_are_counted_by_verb_and_kind_and_nobody_else_s_are(cluster: InMemoryCluster) -> None:
    cluster.apply(service())
    other = cluster.client("other-controller")
    await other.create(canary())
    assert (cluster.requests.reads, cluster.requests.writes) == (0, 0)

    live = await cluster.read(APEX)
    assert live is not None
    cluster.get(APEX)
    version = live["metadata"]["resourceVersion"]
    await cluster.patch(APEX, {"metadata": {"labels": {"a": "b"}}}, resource_version=version)
    with pytest.raises(Conflict):
        await cluster.patch(APEX, {"metadata": {"labels": {"a": "c"}}}, resource_version=version)

    assert dict(cluster.requests.counts) == {(Verb.READ, SERVICE): 1, (Verb.PATCH, SERVICE): 2}
    assert (cluster.requests.reads, cluster.requests.writes) == (1, 2)
    assert dict(other.requests.counts) == {(Verb.CREATE, CANARY): 1}
    cluster.requests.clear()
    assert cluster.requests.writes == 0


async def test_a_fault_before_the_effect_leaves_all_as_it_was(cluster: InMemoryCluster) -> None:
    def refuse(call: Call) -> None:
        if call.verb is Verb.CREATE:
            raise Unavailable("the API server is overloaded", retry_after=3.0)

    cluster.before = refuse
    with pytest.raises(Unavailable) as raised:
        await cluster.create(service())

    assert raised.value.retry_after == 3.0
    assert await cluster.read(APEX) is None


async def test_a_fault_after_the_effect_leaves_the_outcome_unknown(cluster: InMemoryCluster) -> None:
    def lose_the_answer(call: Call) -> None:
        if call.verb is Verb.CREATE:
            raise Unavailable("no answer", outcome_unknown=True)

    cluster.after = lose_the_answer
    cluster.lag = 5.0
    with pytest.raises(Unavailable):
        await cluster.create(service())

    assert cluster.get(APEX) is None
    assert await cluster.read(APEX) is not None
    await asyncio.sleep(10)
    assert cluster.get(APEX) is not None


async def test_an_answer_that_comes_after_the_object_went_brings_nothing_back(cluster: InMemoryCluster) -> None:
    async def answer_late(call: Call) -> None:
        if call.verb is Verb.CREATE:
            cluster.remove(APEX)
            await asyncio.sleep(5)

    cluster.after = answer_late
    await cluster.create(service())
    await asyncio.sleep(5)

    assert cluster.get(APEX) is None


async def test_a_call_can_hang_until_the_test_lets_it_go(cluster: InMemoryCluster) -> None:
    gate = asyncio.Event()

    def hang(_: Call) -> Awaitable[Any]:
        return gate.wait()

    cluster.before = hang
    waiting = asyncio.create_task(cluster.create(service()))
    await asyncio.sleep(100)
    assert not waiting.done()

    gate.set()
    assert (await waiting)["metadata"]["name"] == "checkout"


async def test_a_closed_client_hears_nothing_while_the_others_do(cluster: InMemoryCluster) -> None:
    mine: list[tuple[Change, str, str]] = []
    theirs: list[tuple[Change, str, str]] = []
    dead, alive = cluster.client("dead"), cluster.client("alive")
    dead.subscribe(heard(mine))
    alive.subscribe(heard(theirs))
    await asyncio.sleep(0.1)

    await dead.create(service())
    dead.close()
    await asyncio.sleep(0.1)
    relabel(cluster, "1")
    await asyncio.sleep(0.1)

    assert (mine, theirs) == ([], [(Change.ADDED, "checkout", ""), (Change.MODIFIED, "checkout", "1")])
