"""Requests to the API server: each ends at its deadline, and each answer is an error that says whether to try again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from canary.clients.kube import KubeCluster
from canary.clients.kube_cache import LIST_S
from canary.clients.kube_http import DEADLINE_S, Call, Expired, KubeHttp, connect
from canary.errors import AlreadyExists, ConfigError, Conflict, NotFound, Rejected, Unavailable
from canary.index import Selection
from canary.ports import POD
from meshes.contract import ObjectRef
from tests.cli.process import kubeconfig
from tests.clients.certificate import certificate_in
from tests.clients.kube_api import PATIENCE_S, client, pod, status
from tests.clients.raw_server import Asked, Reply, dripping, never, saying

WRITES = ("POST", "PATCH", "DELETE")


async def refused(http: KubeHttp, method: str, deadline_s: float = PATIENCE_S) -> Exception:
    """Send a request and return what it raises; it has no longer than PATIENCE_S for that."""
    body: dict[str, Any] | None = None if method == "GET" else {"metadata": {}}
    call = Call(method=method, path="/api/v1/namespaces/shop/pods", what="Pod a", body=body, deadline_s=deadline_s)
    with pytest.raises(Exception, match=r".") as caught:
        async with asyncio.timeout(PATIENCE_S):
            await http.send(call)
    return caught.value


async def cut(_: Asked, __: asyncio.StreamWriter) -> None:
    """Take the request and hang up."""


@pytest.mark.parametrize("method", ["GET", *WRITES])
@pytest.mark.parametrize(
    ("reply", "deadline_s"),
    [
        pytest.param(never, 0.3, id="never answered"),
        pytest.param(dripping, 0.3, id="answered without end"),
        pytest.param(cut, PATIENCE_S, id="cut"),
    ],
)
async def test_a_request_ends_at_its_deadline_and_of_a_write_nothing_is_known(
    tmp_path: Path, reply: Reply, deadline_s: float, method: str
) -> None:
    async with client(tmp_path, reply) as (server, http):
        error = await refused(http, method, deadline_s)
        assert isinstance(error, Unavailable)
        assert str(error).startswith(f"{method} Pod a: the API server at {server.url} did not answer: ")
        assert error.outcome_unknown is (method != "GET")


class Noting(KubeHttp):
    """An API server that answers everything with one pod; `calls` are what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def send(self, call: Call) -> Any:
        self.calls.append(call)
        if call.path == "/api/v1":
            return {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}]}
        if call.method == "GET" and not call.path.endswith("/a"):
            return {"apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": []}
        return pod("a", 9)


async def test_every_request_of_the_cluster_has_a_deadline() -> None:
    http = Noting()
    cluster = KubeCluster(http, [POD], ())
    await cluster._discovery.refresh({POD})
    ref = ObjectRef(POD, "shop", "a")
    await cluster.read(ref)
    await cluster.refresh(Selection(kind=POD, namespace="shop"))
    await cluster.create({**pod("a", 9), "spec": {}})
    await cluster.patch(ref, {"spec": {}}, resource_version="9")
    await cluster.delete(ref, uid="u", resource_version="9")
    assert [call.method for call in http.calls] == ["GET", "GET", "GET", "POST", "PATCH", "DELETE"]
    assert {call.deadline_s for call in http.calls} == {DEADLINE_S}
    assert (DEADLINE_S, LIST_S) == (10.0, 30.0)


@pytest.mark.parametrize(
    ("code", "message", "reason", "kind"),
    [
        (400, "no", "BadRequest", Rejected),
        (401, "no", "Unauthorized", Unavailable),
        (403, "no", "Forbidden", Rejected),
        (404, "no", "NotFound", NotFound),
        (409, "no", "Conflict", Conflict),
        (409, "no", "AlreadyExists", AlreadyExists),
        (410, "too old", "Expired", Expired),
        (410, "", "Gone", Expired),
        (422, "410 is no port", "Invalid", Rejected),
        (429, "no", "TooManyRequests", Unavailable),
        (503, "no", "ServiceUnavailable", Unavailable),
    ],
)
async def test_an_answer_is_judged_by_its_status(
    tmp_path: Path, code: int, message: str, reason: str, kind: type[Exception]
) -> None:
    async with client(tmp_path, status(code, message, reason)) as (_, http):
        assert type(await refused(http, "POST")) is kind


@pytest.mark.parametrize("code", [500, 502, 503, 504])
async def test_of_a_write_that_a_server_or_a_proxy_gave_up_nothing_is_known(tmp_path: Path, code: int) -> None:
    async with client(tmp_path, status(code, headers="Retry-After: 7\r\n")) as (_, http):
        told = [(method, await refused(http, method)) for method in ("GET", *WRITES)]
    seen = [
        (method, error.outcome_unknown, error.retry_after) for method, error in told if isinstance(error, Unavailable)
    ]
    assert seen == [("GET", False, 7.0), *((method, True, 7.0) for method in WRITES)]


async def test_a_write_that_is_refused_for_being_too_many_was_not_done(tmp_path: Path) -> None:
    async with client(tmp_path, status(429, headers="Retry-After: 1\r\n")) as (_, http):
        error = await refused(http, "PATCH")
    assert isinstance(error, Unavailable)
    assert (error.outcome_unknown, error.retry_after) == (False, 1.0)


async def test_how_large_an_answer_was_is_told(tmp_path: Path) -> None:
    sizes: list[int] = []
    async with client(tmp_path, saying('{"a": "b"}')) as (_, http):
        await http.send(Call(method="GET", path="/api/v1/pods", what="pods", took=sizes.append))
    assert sizes == [10]


@pytest.mark.parametrize("content", ["", "no certificate", None], ids=["empty", "text", "missing"])
async def test_a_ca_that_cannot_be_used_is_told_with_its_server(tmp_path: Path, content: str | None) -> None:
    path = kubeconfig(tmp_path, "https://kube.example")
    ca = tmp_path / "ca.crt"
    if content is not None:
        ca.write_text(content, encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("server:", f"certificate-authority: {ca}\n    server:"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"certificate|ca\.crt"):
        await connect(path)
    ca.write_bytes(certificate_in(tmp_path).read_bytes())
    await (await connect(path)).close()
