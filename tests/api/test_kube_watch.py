"""What only a real API server shows: watches that are cut, and kinds that come later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from canary.clients.kube import kube_cluster
from canary.clients.kube_http import connect
from canary.errors import Rejected
from canary.ports import CANARY, CONFIG_MAP, Change
from meshes.contract import Kind, ObjectRef
from tests.api.contract import real
from tests.api.control_plane import ControlPlane
from tests.api.people import People, closed

pytestmark = pytest.mark.xdist_group("api")

PATIENCE_S = 40.0
CRD = Kind("apiextensions.k8s.io", "CustomResourceDefinition")
MANY = tuple(f"many-{number}" for number in range(60))
"""More than a hundred watches. Namespaces need not be there to be watched."""


@dataclass(slots=True)
class Wire:
    """Carries bytes to the API server and back; `cut` ends all connections, and while `down` none is carried."""

    port: int
    down: bool = False
    carried: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        self.carried += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers += [writer, there_writer]
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(_pump(source, sink))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.transport.abort()


@asynccontextmanager
async def wire(plane: ControlPlane) -> AsyncIterator[tuple[Wire, str]]:
    it = Wire(int(urlsplit(plane.url).port or 0))
    server = await asyncio.start_server(it.carry, "127.0.0.1", 0)
    try:
        yield it, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        it.cut()
        await asyncio.gather(*it.tasks, return_exceptions=True)


async def test_a_watch_that_was_cut_goes_on_where_it_was(plane: ControlPlane) -> None:
    async with wire(plane) as (line, url), real(plane, url) as it:
        it.cluster.subscribe(it.listen)
        await it.somebody.apply(it.map(a="1"))
        await it.somebody.apply(it.map("two"))
        await it.until(lambda: len(it.heard) == 2)
        line.down = True
        line.cut()
        await it.somebody.patch(it.ref(), {"data": {"a": "2"}})
        await it.somebody.delete(it.ref("two"))
        line.down = False
        await it.until(lambda: len(it.heard) == 4)
    assert it.heard == [
        (Change.ADDED, "one", {"a": "1"}),
        (Change.ADDED, "two", {}),
        (Change.MODIFIED, "one", {"a": "2"}),
        (Change.DELETED, "two", {}),
    ]


async def test_watches_of_many_namespaces_leave_room_for_requests(plane: ControlPlane) -> None:
    http = await connect(plane.kubeconfig)
    try:
        async with asyncio.timeout(PATIENCE_S), kube_cluster(http, {CANARY, CONFIG_MAP}, MANY) as cluster:
            assert await cluster.read(ObjectRef(CONFIG_MAP, MANY[0], "none")) is None
    finally:
        await closed(http)


async def test_a_kind_is_watched_once_its_crd_is_there_and_no_more_once_it_is_gone(plane: ControlPlane) -> None:
    kind = Kind("example.org", "Late")
    crd, ref = ObjectRef(CRD, "", "lates.example.org"), ObjectRef(kind, "default", "one")
    http = await connect(plane.kubeconfig)
    try:
        people = People(http)
        await people.know(CRD)
        async with kube_cluster(http, {CANARY, kind}) as cluster, asyncio.timeout(PATIENCE_S):
            assert cluster.served(kind) == ()
            with pytest.raises(Rejected, match=r"serves no Late\.example\.org: is its CRD installed"):
                await cluster.read(ref)
            await people.apply(late())
            while cluster.served(kind) != ("v1",):  # noqa: ASYNC110 - the port has no event for it
                await asyncio.sleep(0.05)
            made = {"apiVersion": "example.org/v1", "kind": "Late", "metadata": {"name": "one", "namespace": "default"}}
            await people.know(kind)
            await people.apply(made)
            while cluster.get(ref) is None:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
            await people.delete(crd)
            while cluster.served(kind):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
    finally:
        await closed(http)


def late() -> dict[str, object]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "lates.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"kind": "Late", "listKind": "LateList", "plural": "lates", "singular": "late"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
