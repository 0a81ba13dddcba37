"""When a watch's events are taken: at once, but for what follows from others, and then the newest of each object."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from canary.clients.discovery import Resource
from canary.clients.kube_cache import Cache, Reflector
from canary.clients.kube_http import Call, KubeHttp
from canary.clients.kube_shape import newest
from canary.clients.pace import BUSY_S, FOLLOWS_S, MANY, SHORT_TURN_S, others_first
from canary.errors import Unavailable
from canary.ports import CANARY, DEPLOYMENT, ENDPOINT_SLICE, POD, REPLICA_SET, Watched
from meshes.contract import Kind
from tests.clients.kube_api import event


class Telling(KubeHttp):
    """An API server with nothing, which then tells of what a test has it tell."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._more = asyncio.Event()

    async def send(self, call: Call) -> Any:
        return {"apiVersion": "v1", "metadata": {"resourceVersion": "5"}, "items": []}

    @asynccontextmanager
    async def stream(self, call: Call, *, silence_s: float) -> AsyncIterator[Any]:
        yield self

    async def iter_any(self) -> AsyncIterator[bytes]:
        while True:
            await self._more.wait()
            self._more.clear()
            chunk = bytes(self._buffer)
            self._buffer.clear()
            yield chunk

    def tell(self, told: dict[str, Any]) -> None:
        self._buffer += json.dumps(told).encode() + b"\n"
        self._more.set()


def one(kind: Kind, version: int, name: str = "a") -> dict[str, Any]:
    meta = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    more: dict[str, Any] = {"spec": {}, "status": {}} if kind != ENDPOINT_SLICE else {"endpoints": []}
    return {"apiVersion": "v1", "kind": kind.kind, "metadata": meta, **more}


async def heard_of(kind: Kind, *, changes: int, each_s: float, every: bool = False) -> list[tuple[float, str]]:
    """Have one object of a kind made and then changed every `each_s` seconds; return when each version was heard of."""
    http, cache, heard = Telling(), Cache(every=every), list[tuple[float, str]]()
    loop = asyncio.get_running_loop()

    def hear(watched: Watched) -> None:
        heard.append((round(loop.time() - began, 3), watched.manifest["metadata"]["resourceVersion"]))

    cache.subscribe(hear)
    resource = Resource(kind=kind, plural="things", namespaced=True, versions=("v1",))
    running = asyncio.create_task(Reflector(http, cache, resource, "shop").run())
    await asyncio.sleep(10)
    began = loop.time()
    http.tell(event("ADDED", one(kind, 6)))
    for change in range(changes):
        await asyncio.sleep(each_s)
        http.tell(event("MODIFIED", one(kind, 7 + change)))
    await asyncio.sleep(10)
    running.cancel()
    return heard


@pytest.mark.looptime
@pytest.mark.parametrize("kind", [CANARY, DEPLOYMENT, POD, Kind("networking.istio.io", "VirtualService")], ids=str)
async def test_what_people_and_pods_do_is_taken_the_moment_it_is_told(kind: Kind) -> None:
    assert await heard_of(kind, changes=3, each_s=0.03) == [(0.0, "6"), (0.03, "7"), (0.06, "8"), (0.09, "9")]


@pytest.mark.looptime
@pytest.mark.parametrize("kind", [REPLICA_SET, ENDPOINT_SLICE], ids=str)
async def test_what_follows_from_others_gives_way_for_a_tenth_of_a_second_and_then_the_newest_counts(
    kind: Kind,
) -> None:
    assert FOLLOWS_S <= 0.1
    assert await heard_of(kind, changes=7, each_s=0.03) == [(0.0, "6"), (0.1, "9"), (0.2, "12"), (0.3, "13")]


@pytest.mark.looptime
async def test_on_a_busy_processor_what_comes_within_some_hundredths_of_a_second_is_taken_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each turn of the event loop takes so long as one that is too long: the clock says so to who asks twice."""
    loop, asked = asyncio.get_running_loop(), count(1)
    really = loop.time
    monkeypatch.setattr("canary.clients.pace.now", lambda: really() + next(asked) * 2 * SHORT_TURN_S)
    heard = await heard_of(DEPLOYMENT, changes=5, each_s=BUSY_S / 2.4)
    assert [version for _, version in heard] == ["6", "8", "10", "11"]


@pytest.mark.looptime
@pytest.mark.parametrize(("came", "waits_s"), [(MANY - 1, BUSY_S), (MANY, 0.0)])
async def test_changes_that_came_together_already_wait_for_no_others(
    monkeypatch: pytest.MonkeyPatch, came: int, waits_s: float
) -> None:
    loop, asked = asyncio.get_running_loop(), count(1)
    monkeypatch.setattr("canary.clients.pace.now", lambda: next(asked) * 2 * SHORT_TURN_S)
    began = loop.time()
    await others_first(POD, came, every=False)
    assert loop.time() - began == pytest.approx(waits_s)


@pytest.mark.looptime
async def test_who_records_is_told_of_each_change_at_once() -> None:
    heard = await heard_of(ENDPOINT_SLICE, changes=3, each_s=0.03, every=True)
    assert heard == [(0.0, "6"), (0.03, "7"), (0.06, "8"), (0.09, "9")]


@pytest.mark.looptime
async def test_a_change_alone_does_not_wait() -> None:
    assert await heard_of(REPLICA_SET, changes=2, each_s=5) == [(0.0, "6"), (5.0, "7"), (10.0, "8")]


def test_of_changes_that_come_together_the_last_of_each_object_counts_and_all_that_come_or_go() -> None:
    a, b = (one(POD, 1, name) for name in "ab")
    first, second = event("MODIFIED", {**a, "spec": 1}), event("MODIFIED", {**a, "spec": 2})
    gone, other, new = event("DELETED", a), event("MODIFIED", b), event("ADDED", a)
    mark = event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    nameless = event("MODIFIED", {"metadata": {}})

    assert newest([first, other, second], "Pods") == [other, second]
    assert newest([new, first, second, gone, new, mark], "Pods") == [new, second, gone, new, mark]
    assert newest([nameless, nameless], "Pods") == [nameless, nameless]
    assert newest([first], "Pods") == [first]
    assert newest([first, second], "Pods", every=True) == [first, second]
    with pytest.raises(Unavailable, match="unknown form"):
        newest([first, "no event"], "Pods")
