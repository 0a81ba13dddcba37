"""The bench's API server keeps a bounded past, and the client gets over what it no longer tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from canary.clients.kube import KubeCluster, kube_cluster
from canary.clients.kube_http import connect
from canary.index import Selection
from canary.ports import CANARY, DEPLOYMENT
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.rig import WallClock
from tests.bench.api_server import ApiServer, served
from tests.builders import config_map, deployment, ref
from tests.cli.process import kubeconfig

KEPT = 100
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """The cluster behind its API server, and what a client knows of it."""

    cluster: InMemoryCluster
    server: ApiServer
    view: KubeCluster

    def names(self) -> list[str]:
        return sorted(one["metadata"]["name"] for one in self.view.list(DEPLOYMENT, "shop"))

    async def deployed(self, name: str) -> None:
        """Apply a Deployment and wait until the client knows it."""
        known = asyncio.Event()
        self.view.subscribe(lambda event: known.set() if event.ref == ref(DEPLOYMENT, name) else None)
        self.cluster.apply(deployment(name, replicas=0))
        async with asyncio.timeout(PATIENCE_S):
            await known.wait()


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    cluster = InMemoryCluster(clock=WallClock())
    server = ApiServer(cluster, kept=KEPT)
    with capture_logs():
        async with served(server) as address:
            http = await connect(kubeconfig(tmp_path, address))
            try:
                async with kube_cluster(http, {CANARY, DEPLOYMENT}, ()) as view:
                    yield Both(cluster=cluster, server=server, view=view)
            finally:
                await http.close()
    cluster.close()


async def test_a_watch_that_was_cut_goes_on_where_it_was(both: Both) -> None:
    await both.deployed("first")
    both.server.cut()
    await both.deployed("second")
    assert (both.names(), both.server.expired) == (["first", "second"], 0)


async def test_a_watch_from_before_what_is_kept_is_told_so_and_what_it_missed_is_listed(both: Both) -> None:
    await both.deployed("first")
    await both.deployed("goes")
    both.server.cut()
    both.cluster.remove(ref(DEPLOYMENT, "goes"))
    both.cluster.apply(deployment("comes", replicas=0))
    both.server.forget()
    await both.deployed("last")
    async with asyncio.timeout(PATIENCE_S):
        while both.server.expired < len({CANARY, DEPLOYMENT}):  # noqa: ASYNC110 - each watch comes back by itself
            await asyncio.sleep(0.05)
    assert (both.names(), both.server.expired) == (["comes", "first", "last"], len({CANARY, DEPLOYMENT}))


async def test_no_more_than_the_newest_changes_of_a_kind_are_kept(both: Both) -> None:
    for number in range(2 * KEPT):
        both.cluster.apply(config_map(text=str(number)))
    assert both.server.lines == KEPT


async def test_a_look_at_one_object_is_a_read_that_is_counted_and_finds_just_that(both: Both) -> None:
    await both.deployed("first")
    await both.deployed("second")
    before = both.server.requests.copy()
    await both.view.refresh(Selection(kind=DEPLOYMENT, namespace="shop", name="first"))
    await both.view.refresh(Selection(kind=DEPLOYMENT, namespace="shop", name="unknown"))
    assert (both.server.requests - before, both.names()) == ({"LIST": 2}, ["first", "second"])
