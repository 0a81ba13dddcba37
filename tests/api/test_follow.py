"""What a cluster watches only where it is asked to: hashes of ConfigMaps and Secrets, one namespace at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from canary.clients.kube import kube_cluster
from canary.clients.kube_http import connect
from canary.contents import content_of
from canary.ports import CANARY, CONFIG_MAP, NAMESPACE, SECRET, Change, Cluster, Watched
from canary.sandbox.cluster import InMemoryCluster
from meshes.contract import Kind, Manifest, ObjectRef
from tests.api.contract import ROOT_CA, Somebody, Users
from tests.api.control_plane import ControlPlane
from tests.api.people import People, closed
from tests.builders import config_map, secret

pytestmark = pytest.mark.xdist_group("api")
PATIENCE_S = 30.0


@dataclass(slots=True)
class Followed:
    """A cluster that watches no configuration by itself, and what it `heard` of it: change, kind, name and content."""

    cluster: Cluster
    somebody: Somebody
    namespace: str
    heard: list[tuple[Change, Kind, str, str]] = field(default_factory=list)

    def listen(self, event: Watched) -> None:
        if event.ref.kind in (CONFIG_MAP, SECRET) and event.ref.name != ROOT_CA:
            self.heard.append((event.change, event.ref.kind, event.ref.name, content_of(event.manifest)))

    def ref(self, kind: Kind, name: str) -> ObjectRef:
        return ObjectRef(kind, self.namespace, name)

    async def filled(self, kind: Kind) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.cluster.follow(kind, self.namespace).filled:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.02)

    async def until_heard(self, *last: tuple[Change, Kind, str, str]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not set(last) <= set(self.heard):  # noqa: ASYNC110 - by a watch
                await asyncio.sleep(0.02)


@asynccontextmanager
async def _real(plane: ControlPlane) -> AsyncIterator[Followed]:
    admin, http = await connect(plane.kubeconfig), await connect(plane.kubeconfig)
    try:
        people = People(admin)
        await people.know(NAMESPACE, CONFIG_MAP, SECRET)
        namespace = f"t-{secrets.token_hex(4)}"
        await people.apply({"apiVersion": "v1", "kind": NAMESPACE.kind, "metadata": {"name": namespace}})
        async with kube_cluster(http, {CANARY}) as cluster:
            yield Followed(cluster, people, namespace)
    finally:
        await closed(http)
        await closed(admin)


@pytest.fixture(params=["in memory", "real"])
def where(request: pytest.FixtureRequest) -> ControlPlane | None:
    plane: ControlPlane | None = request.getfixturevalue("plane") if request.param == "real" else None
    return plane


@pytest.fixture
async def it(where: ControlPlane | None) -> AsyncIterator[Followed]:
    if where is not None:
        async with _real(where) as followed:
            yield followed
        return
    cluster = InMemoryCluster()
    client = cluster.client("canary-controller")
    client.demand.kinds = frozenset({CONFIG_MAP, SECRET})
    yield Followed(client, Users(cluster), "shop")
    cluster.close()


def kept(manifest: Manifest | None) -> set[str]:
    return set(manifest or {})


async def test_what_is_followed_is_known_by_its_hash_alone(it: Followed) -> None:
    it.cluster.subscribe(it.listen)
    one, hush = config_map("one", namespace=it.namespace, text="1"), secret("one", namespace=it.namespace, text="hush")
    await it.somebody.apply(one)
    await it.somebody.apply(hush)
    await it.filled(CONFIG_MAP)
    await it.until_heard((Change.ADDED, CONFIG_MAP, "one", content_of(one)))
    cached = it.cluster.get(it.ref(CONFIG_MAP, "one"))
    assert kept(cached) == {"apiVersion", "kind", "metadata", "content"}
    assert it.cluster.get(it.ref(SECRET, "one")) is None
    assert {kind for _, kind, _, _ in it.heard} == {CONFIG_MAP}
    await it.somebody.patch(it.ref(CONFIG_MAP, "one"), {"data": {"text": "2"}})
    changed = content_of({**one, "data": {"text": "2"}})
    await it.until_heard((Change.MODIFIED, CONFIG_MAP, "one", changed))
    whole = await it.cluster.read(it.ref(CONFIG_MAP, "one"))
    assert whole is not None
    assert (whole["data"], content_of(whole)) == ({"text": "2"}, changed)
    await it.somebody.delete(it.ref(CONFIG_MAP, "one"))
    await it.until_heard((Change.DELETED, CONFIG_MAP, "one", changed))


async def test_what_is_followed_no_more_is_forgotten_until_it_is_asked_for_again(it: Followed) -> None:
    await it.somebody.apply(secret("one", namespace=it.namespace, text="hush"))
    await it.filled(SECRET)
    assert it.cluster.get(it.ref(SECRET, "one")) is not None
    it.cluster.unfollow(SECRET, it.namespace)
    assert it.cluster.get(it.ref(SECRET, "one")) is None
    assert list(it.cluster.list(SECRET, it.namespace)) == []
    it.cluster.unfollow(SECRET, it.namespace)
    await it.filled(SECRET)
    assert it.cluster.get(it.ref(SECRET, "one")) is not None


async def test_a_copy_that_is_written_is_in_the_cache_when_the_call_returns(it: Followed) -> None:
    await it.filled(CONFIG_MAP)
    made = {**config_map("copy", namespace=it.namespace, text="1"), "immutable": True}
    await it.cluster.create(made)
    cached = it.cluster.get(it.ref(CONFIG_MAP, "copy"))
    assert cached is not None
    assert content_of(cached) == content_of(made)
