"""Random answers in the place of the API server's: objects, or an error of our family; the caches stay whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.clients.discovery import Discovery, Resource
from canary.clients.kube import KubeCluster
from canary.clients.kube_cache import Cache, Reflector
from canary.clients.kube_http import Call, KubeHttp, connect
from canary.clients.kube_shape import object_in
from canary.clients.trimming import CRD
from canary.controller.echoes import Echoes
from canary.controller.leader import _Record, _record
from canary.controller.watch import Watch
from canary.errors import CanaryError
from canary.ports import CANARY, DEPLOYMENT, POD, SERVICE
from meshes.contract import Kind, ObjectRef
from tests.builders import canary, deployment, service
from tests.cli.process import kubeconfig
from tests.fuzz.counts import fuzzed, outcome
from tests.fuzz.talker import Talker, answers, talker
from tests.fuzz.values import ODD, spoilt

STATUS = {"kind": "Status", "message": "no", "reason": "AlreadyExists", "code": 409, "details": {"causes": []}}
META = {"uid": "u1", "resourceVersion": "7", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}


def live(manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], **META}}


OBJECTS = [live(deployment()), live(service()), live(canary())]
POD_LIVE = live(
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "checkout-1",
            "namespace": "shop",
            "labels": {"app": "checkout", "pod-template-hash": "1"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "checkout-1", "uid": "r", "controller": True}],
            "managedFields": [{"manager": "kubelet", "operation": "Update", "time": "2026-01-01T00:00:00Z"}],
        },
        "spec": {"containers": []},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "app", "restartCount": 0, "state": {"running": {}}}],
        },
    }
)
LIST = {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": [*OBJECTS, POD_LIVE]}
RESOURCES = {
    "kind": "APIResourceList",
    "groupVersion": "apps/v1",
    "resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["list", "watch"]}],
}
GROUP = {"kind": "APIGroup", "name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}]}
LEASED = live(
    {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "canary", "namespace": "canary-system"},
        "spec": {"holderIdentity": "a", "leaseTransitions": 3, "leaseDurationSeconds": 15, "renewTime": "x"},
    }
)

server = pytest.fixture(scope="module")(talker)


@pytest.fixture(scope="module")
def http(server: Talker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeHttp]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[KubeHttp]:
        client = await connect(kubeconfig(tmp_path_factory.mktemp("kube"), server.url))
        try:
            yield client
        finally:
            await client.close()

    yield from server.keep(opened())


@fuzzed
@given(st.one_of(answers(LIST), answers(STATUS)), st.sampled_from(["GET", "POST", "PATCH", "DELETE"]))
def test_any_answer_over_the_wire_is_json_or_an_error(
    server: Talker, http: KubeHttp, answer: bytes, method: str
) -> None:
    server.answer = answer
    call = Call(method=method, path="/api/v1/pods", what="Pods", body=None if method == "GET" else {})
    found = server.ask(http.send(call))
    if isinstance(found, CanaryError):
        assert len(str(found)) < 3000


class Stub(KubeHttp):
    """Answers each call with the next of its values; a watch with lines of them."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = list(values)

    @property
    def host(self) -> str:
        return "https://kube.example"

    async def send(self, call: Call) -> Any:
        return self.values.pop(0) if self.values else {}

    @asynccontextmanager
    async def stream(self, call: Call, *, silence_s: float) -> AsyncIterator[Any]:
        yield self

    async def iter_any(self) -> AsyncIterator[bytes]:
        for value in self.values:
            yield (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n"


def cache_of(kind: Kind, http: Stub) -> tuple[Cache, Reflector]:
    """A cache that the controller's Watch listens to, and what fills it."""
    cluster = KubeCluster(http, [kind], ())
    woken: list[object] = []
    echoes = Echoes(wake=lambda key, _: woken.append(key))
    Watch(cluster, echoes=echoes, shim=woken.append, concerned=lambda event: (), routing={}).start()
    resource = Resource(kind=kind, plural="things", namespaced=True, versions=("v1",))
    return cluster._cache, Reflector(http, cluster._cache, resource, "")


KINDS = st.sampled_from([CANARY, DEPLOYMENT, POD, SERVICE, CRD])
EVENTS = [{"type": "MODIFIED", "object": each} for each in (*OBJECTS, POD_LIVE)]
EVENTS += [{"type": "DELETED", "object": POD_LIVE}]
EVENTS += [{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}]
EVENTS += [{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}]
LINE = st.one_of(st.sampled_from(EVENTS).flatmap(spoilt), ODD, st.binary(max_size=50), st.just(b"[" * 5000))


@fuzzed
@given(KINDS, spoilt(LIST), st.lists(LINE, max_size=4))
def test_any_list_and_watch_leave_whole_objects_in_the_cache(
    server: Talker, kind: Kind, page: Any, events: list[Any]
) -> None:
    stub = Stub([page])
    cache, reflector = cache_of(kind, stub)

    async def filled() -> None:
        version = await reflector._list()
        assert isinstance(version, str)
        stub.values = events
        assert isinstance(await reflector._watch(version), str)

    failure = server.ask(filled())
    assert failure is None or len(str(failure)) < 1000
    for manifest in cache.listed(kind, "", {}):
        metadata = manifest["metadata"]
        assert cache.get(ObjectRef(kind, metadata.get("namespace", ""), metadata["name"])) is manifest


@fuzzed
@given(st.lists(st.one_of(spoilt(GROUP), spoilt(RESOURCES)), max_size=3))
def test_any_answer_to_discovery_is_kinds_or_an_error(server: Talker, answers: list[Any]) -> None:
    discovery = Discovery(Stub(answers))
    failure = server.ask(discovery.refresh({DEPLOYMENT, CANARY}))
    assert failure is None or len(str(failure)) < 1000
    assert all(isinstance(version, str) for version in discovery.served(DEPLOYMENT))


@fuzzed
@given(spoilt(OBJECTS[0]), st.sampled_from(["read", "create", "patch", "delete"]))
def test_any_answer_to_a_request_is_an_object_or_an_error(server: Talker, answer: Any, verb: str) -> None:
    stub = Stub([GROUP, RESOURCES])
    cluster = KubeCluster(stub, [DEPLOYMENT], ())
    ref = ObjectRef(DEPLOYMENT, "shop", "checkout")

    async def asked() -> Any:
        await cluster._discovery.refresh({DEPLOYMENT})
        stub.values = [answer]
        match verb:
            case "read":
                return await cluster.read(ref)
            case "create":
                return await cluster.create(deployment())
            case "patch":
                return await cluster.patch(ref, {"spec": {"replicas": 3}}, resource_version="7")
            case _:
                return await cluster.delete(ref, uid="u1", resource_version="7")

    found = server.ask(asked())
    if isinstance(found, CanaryError):
        assert len(str(found)) < 3000
    elif found is not None:
        assert (type(found["metadata"]["name"]), type(found["metadata"]["resourceVersion"])) == (str, str)


@fuzzed
@given(spoilt(LEASED["spec"]), spoilt(LEASED["metadata"]))
def test_any_lease_is_a_record_or_an_error(spec: Any, metadata: Any) -> None:
    lease = outcome(lambda: object_in({**LEASED, "spec": spec, "metadata": metadata}, "the Lease"))
    if isinstance(lease, CanaryError):
        return
    record = outcome(lambda: _record(lease))
    assert isinstance(record, CanaryError | _Record)
    assert len(str(record)) < 1000 or isinstance(record, _Record)
