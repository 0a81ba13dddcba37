"""How requests go out to the API server: through which proxy, and with what at hand, against servers on 127.0.0.1."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from canary.clients.kube_http import Call, connect
from tests.cli.process import kubeconfig
from tests.clients.raw_server import raw_server, saying

PODS = Call(method="GET", path="/api/v1/pods", what="Pods")
ELSEWHERE = "http://kube.example"


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_requests_go_through_the_proxy_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_server(saying('{"by": "proxy"}')) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//user:secret@"))
        http = await connect(kubeconfig(tmp_path, ELSEWHERE))
        try:
            assert await http.send(PODS) == {"by": "proxy"}
        finally:
            await http.close()
    (asked,) = proxy.asked
    assert asked.headers["host"] == "kube.example"
    assert asked.headers["proxy-authorization"] == "Basic dXNlcjpzZWNyZXQ="


async def test_a_host_that_needs_no_proxy_is_asked_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(saying('{"by": "proxy"}')) as proxy, raw_server(saying('{"by": "api"}')) as api:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        http = await connect(kubeconfig(tmp_path, api.url))
        try:
            assert await http.send(PODS) == {"by": "api"}
        finally:
            await http.close()
    assert proxy.asked == []


async def test_a_request_waits_for_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread gets the interpreter from busy passes only after milliseconds, for each request anew."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with raw_server(saying("{}")) as api:
        http = await connect(kubeconfig(tmp_path, api.url))
        try:
            before = threading.active_count()
            await http.send(PODS)
            assert threading.active_count() == before
        finally:
            await http.close()
    assert api.asked[0].headers["authorization"] == "Bearer a-token"
