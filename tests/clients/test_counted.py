"""Each request to the outside is told once, with what it was and how it ended; nothing of it names an object."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.clients.kube_http import Call, KubeHttp, connect
from canary.clients.prometheus import Prometheus
from canary.clients.prometheus_http import PrometheusAccess
from canary.clients.retry import Patience
from canary.clients.slack_counted import CountedApi, CountedPost
from canary.errors import CanaryError, Rejected, Unavailable
from canary.ports import Peer, Request
from tests.clients.raw_server import Reply, raw_server, saying, vector

AT = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE_S = 20.0
NOWHERE = "http://127.0.0.1:1"
ONCE = Patience(tries=1, within=timedelta(seconds=20))
Opener = Callable[[str, "Told"], AbstractAsyncContextManager[KubeHttp]]
Counts = list[tuple[Peer, str, str, str]]


class Told(list[Request]):
    """The requests that were told."""

    @property
    def short(self) -> Counts:
        assert all(each.seconds > 0 for each in self)
        return [(each.peer, each.verb, each.resource, each.code) for each in self]


@pytest.fixture
def kube(tmp_path: Path) -> Opener:
    """Opens a client of the API server at an address, as the controller does."""

    @asynccontextmanager
    async def opened(url: str, told: Told) -> AsyncIterator[KubeHttp]:
        kubeconfig = tmp_path / "kubeconfig"
        named = {"name": "it", "cluster": {"server": url}, "user": {}, "context": {"cluster": "it", "user": "it"}}
        content = {"current-context": "it", "clusters": [named], "users": [named], "contexts": [named]}
        kubeconfig.write_text(yaml.safe_dump(content), encoding="utf-8")
        http = await connect(kubeconfig, on_request=told.append)
        try:
            yield http
        finally:
            await http.close()

    return opened


@pytest.mark.parametrize(
    ("method", "path", "verb", "resource"),
    [
        ("GET", "/api/v1/namespaces/shop/pods", "list", "pods"),
        ("GET", "/api/v1/namespaces", "list", "namespaces"),
        ("GET", "/api/v1/namespaces/shop", "get", "namespaces"),
        ("GET", "/apis/apps/v1/namespaces/shop/deployments/checkout", "get", "deployments"),
        ("PATCH", "/apis/canary.delivery/v1alpha1/namespaces/shop/canaries/checkout/status", "patch", "canaries"),
        ("POST", "/api/v1/namespaces/shop/events", "create", "events"),
        ("DELETE", "/apis/apps/v1/namespaces/shop/deployments/checkout", "delete", "deployments"),
        ("GET", "/apis/apps/v1", "get", "discovery"),
        ("GET", "/apis/apps", "get", "discovery"),
        ("GET", "/api/v1", "get", "discovery"),
    ],
)
async def test_a_call_is_told_by_its_verb_and_kind(
    kube: Opener, method: str, path: str, verb: str, resource: str
) -> None:
    told = Told()
    async with raw_server(saying("{}")) as server, kube(server.url, told) as http:
        await http.send(Call(method=method, path=path, what="it", body={} if method != "GET" else None))
    assert told.short == [(Peer.KUBERNETES, verb, resource, "2xx")]


@pytest.mark.parametrize(("status", "code"), [(404, "4xx"), (409, "4xx"), (503, "5xx")])
async def test_a_call_that_is_refused_is_told_with_its_class(kube: Opener, status: int, code: str) -> None:
    told = Told()
    async with raw_server(saying("{}", status=f"{status} As said")) as server, kube(server.url, told) as http:
        with pytest.raises(CanaryError):
            async with asyncio.timeout(PATIENCE_S):
                await http.send(Call(method="GET", path="/api/v1/pods", what="it"))
    assert told.short == [(Peer.KUBERNETES, "list", "pods", code)]


async def test_a_call_without_an_answer_has_no_code(kube: Opener) -> None:
    told = Told()
    async with kube(NOWHERE, told) as http:
        with pytest.raises(Unavailable):
            await http.send(Call(method="GET", path="/api/v1/pods", what="it"))
    assert told.short == [(Peer.KUBERNETES, "list", "pods", "none")]


async def test_a_watch_is_told_when_it_begins(kube: Opener) -> None:
    told = Told()
    async with raw_server(saying("{}")) as server, kube(server.url, told) as http:
        call = Call(method="GET", path="/api/v1/pods", what="it")
        async with http.stream(call, silence_s=5):
            assert told.short == [(Peer.KUBERNETES, "watch", "pods", "2xx")]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("reply", "code"),
    [(vector(), "2xx"), (saying("no", status="503 Busy"), "5xx"), (saying("", status="401 Who"), "4xx")],
)
async def test_a_query_is_told_whatever_its_answer(reply: Reply, code: str) -> None:
    told = Told()
    async with (
        raw_server(reply) as server,
        Prometheus(PrometheusAccess(url=server.url), patience=ONCE, on_request=told.append) as prometheus,
    ):
        with contextlib.suppress(CanaryError):
            await prometheus.query("m", AT)
    assert told.short == [(Peer.PROMETHEUS, "query", "query", code)]


async def test_a_query_without_an_answer_has_no_code() -> None:
    told = Told()
    async with Prometheus(PrometheusAccess(url=NOWHERE), patience=ONCE, on_request=told.append) as prometheus:
        with pytest.raises(Unavailable):
            await prometheus.query("m", AT)
    assert told.short == [(Peer.PROMETHEUS, "query", "query", "none")]


class Slack:
    """A Slack that raises what it is made with."""

    def __init__(self, failure: Exception | None) -> None:
        self.failure = failure

    async def call(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.failure is not None:
            raise self.failure
        return {}

    async def post(self, body: Mapping[str, Any]) -> None:
        await self.call("webhook", body)


@pytest.mark.parametrize(
    ("failure", "code"), [(None, "2xx"), (Rejected("not_in_channel"), "4xx"), (Unavailable("down"), "none")]
)
async def test_a_message_is_told_by_what_slack_made_of_it(failure: Exception | None, code: str) -> None:
    told = Told()
    with contextlib.suppress(Rejected, Unavailable):
        await CountedApi(Slack(failure), told.append).call("chat.update", {})
    with contextlib.suppress(Rejected, Unavailable):
        await CountedPost(Slack(failure), told.append).post({})
    assert told.short == [(Peer.SLACK, "call", "chat.update", code), (Peer.SLACK, "call", "webhook", code)]
