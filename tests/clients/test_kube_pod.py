"""The credentials of a Pod: the token is read anew as the kubelet rotates it, and its loss ends nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kubernetes.aio.config import incluster_config

from canary.clients import kube_pod
from canary.clients.kube_http import Call, KubeHttp, connect
from canary.errors import ConfigError, Unavailable
from tests.cli.process import kubeconfig
from tests.clients.certificate import certificate_in, serving
from tests.clients.kube_api import Api, page, pod, reflecting, watching
from tests.clients.raw_server import RawServer, Reply, raw_server, saying

GET = Call(method="GET", path="/api/v1/pods", what="pods")
PATCH = Call(method="PATCH", path="/api/v1/namespaces/shop/pods/a", what="Pod a", body={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """What the kubelet puts into a Pod."""

    token: Path
    ca: Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def mounted(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Mounted:
    files = Mounted(token=tmp_path / "token", ca=tmp_path / "ca.crt")
    files.token.write_text("one", encoding="utf-8")
    files.ca.write_bytes(certificate.read_bytes())
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(files.token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(files.ca))
    monkeypatch.setattr(kube_pod, "TOKEN_S", 0.0)
    return files


@pytest.fixture
def at(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Pods:
    return Pods(certificate, monkeypatch)


@dataclass(frozen=True, slots=True)
class Pods:
    """Opens API servers that a Pod finds in its environment."""

    certificate: Path
    monkeypatch: pytest.MonkeyPatch

    @asynccontextmanager
    async def server(self, reply: Reply) -> AsyncIterator[tuple[RawServer, KubeHttp]]:
        async with raw_server(reply, tls=serving(self.certificate)) as server:
            self.monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            self.monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(urlsplit(server.url).port))
            http = await connect()
            try:
                yield server, http
            finally:
                await http.close()


def shown(server: RawServer) -> list[str]:
    return [asked.headers["authorization"] for asked in server.asked]


async def test_a_rotated_token_is_used_from_then_on(mounted: Mounted, at: Pods) -> None:
    async with at.server(saying("{}")) as (server, http):
        await http.send(GET)
        mounted.token.write_text("two\n", encoding="utf-8")
        await http.send(GET)
    assert (http.host, shown(server)) == (server.url, ["Bearer one", "Bearer two"])


async def test_a_token_is_not_read_for_each_request(
    mounted: Mounted, at: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_pod, "TOKEN_S", 3600.0)
    async with at.server(saying("{}")) as (server, http):
        await http.send(GET)
        mounted.token.unlink()
        await http.send(GET)
    assert shown(server) == ["Bearer one", "Bearer one"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "holds no token", id="emptied"),
        pytest.param(b" \n", "holds no token", id="blank"),
        pytest.param(b"hush hush", "holds no token", id="two words"),
        pytest.param(b"hush\r\nX-Other: 1", "holds no token", id="two lines"),
        pytest.param(b"hush\xff", "not in ASCII", id="not in ASCII"),
        pytest.param(None, "No such file", id="deleted"),
    ],
)
async def test_a_token_that_is_lost_is_unavailable_until_it_is_there_again(
    mounted: Mounted, at: Pods, content: bytes | None, why: str
) -> None:
    async with at.server(saying("{}")) as (server, http):
        await http.send(GET)
        mounted.token.unlink()
        if content is not None:
            mounted.token.write_bytes(content)
        for call in (GET, PATCH):
            with pytest.raises(Unavailable, match=why) as caught:
                await http.send(call)
            assert (caught.value.outcome_unknown, "hush" in str(caught.value)) == (False, False)
            assert str(mounted.token) in str(caught.value)
        mounted.token.write_text("two", encoding="utf-8")
        await http.send(GET)
    assert shown(server) == ["Bearer one", "Bearer two"]


async def test_a_watch_outlives_the_loss_of_the_token(mounted: Mounted, at: Pods) -> None:
    api = Api([page(pod("a", 3))], [watching(ends=True), watching({"type": "ADDED", "object": pod("b", 7)})])
    async with at.server(api.reply) as (server, http), reflecting(server, http) as it:
        await it.until(it.reflector.filled.is_set)
        mounted.token.write_text("", encoding="utf-8")
        await it.until(lambda: "holds no token" in it.reflector.failure)
        mounted.token.write_text("two", encoding="utf-8")
        await it.until(lambda: it.has("b"))
    assert (shown(server)[0], shown(server)[-1]) == ("Bearer one", "Bearer two")


@pytest.mark.parametrize(
    ("token", "ca", "port", "why"),
    [
        ("", "a CA", "443", "no credentials in this Pod: Token file exists but empty"),
        (None, "a CA", "443", "no credentials in this Pod: Service token file does not exist"),
        ("one", "", "443", "no credentials in this Pod: Cert file exists but empty"),
        ("one", None, "443", "no credentials in this Pod: Service certification file does not exist"),
        ("one", "no certificate", "443", "the certificates for https://127.0.0.1:443 cannot be used"),
        ("one", "a CA", "", "no credentials in this Pod: Service host/port is set but empty"),
    ],
)
async def test_a_pod_without_credentials_is_told_at_the_start(
    mounted: Mounted, monkeypatch: pytest.MonkeyPatch, token: str | None, ca: str | None, port: str, why: str
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    for file, content in ((mounted.token, token), (mounted.ca, ca)):
        if content is None:
            file.unlink()
        elif content != "a CA":
            file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"^{why}"):
        await connect()


async def test_a_kubeconfig_that_is_named_comes_before_the_pod(mounted: Mounted, at: Pods, tmp_path: Path) -> None:
    async with at.server(saying("{}")):
        http = await connect(kubeconfig(tmp_path, "https://kube.example"))
        assert http.host == "https://kube.example"
        await http.close()
