"""Credentials that end: loaded anew once they are refused, for the same context and server, and within bounds."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from kubernetes.aio.client import Configuration

from canary.clients import kubeconfig
from canary.clients.kube_http import Call, KubeHttp, connect
from canary.clients.kubeconfig import TOKEN, Renewal
from canary.errors import ConfigError, Unavailable
from tests.clients.raw_server import Asked, RawServer, raw_server, saying

GET = Call(method="GET", path="/api/v1/pods", what="pods")
PATCH = Call(method="PATCH", path="/api/v1/namespaces/shop/pods/a", what="Pod a", body={})
VERSION = "client.authentication.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Files:
    """A kubeconfig whose context `mine` has a plugin; it gives the token in a file and counts how often it ran."""

    folder: Path

    def write(self, url: str, current: str = "mine") -> Path:
        script = f"echo ran >> {self.folder}/runs; cat {self.folder}/credential"
        plugin = {"apiVersion": VERSION, "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}
        users = {"mine": {"exec": plugin}, "theirs": {"token": "theirs"}}
        content = {
            "clusters": [{"name": "one", "cluster": {"server": url}}],
            "users": [{"name": name, "user": user} for name, user in users.items()],
            "contexts": [{"name": name, "context": {"cluster": "one", "user": name}} for name in users],
            "current-context": current,
        }
        path = self.folder / "kubeconfig"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    def give(self, token: str) -> None:
        made = {"apiVersion": VERSION, "kind": "ExecCredential", "status": {"token": token}}
        (self.folder / "credential").write_text(json.dumps(made), encoding="utf-8")

    @property
    def runs(self) -> int:
        return len((self.folder / "runs").read_text(encoding="utf-8").split())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path)
    files.give("one")
    return files


@asynccontextmanager
async def connected(files: Files) -> AsyncIterator[tuple[RawServer, KubeHttp, set[str]]]:
    """A server that accepts the tokens in a set, at first `one`, and a client with the kubeconfig."""
    accepted = {"Bearer one"}

    async def reply(asked: Asked, writer: asyncio.StreamWriter) -> None:
        known = asked.headers.get("authorization") in accepted
        await saying("{}", status="200 OK" if known else "401 Unauthorized")(asked, writer)

    async with raw_server(reply) as server:
        http = await connect(files.write(server.url))
        try:
            yield server, http, accepted
        finally:
            await http.close()


def shown(server: RawServer) -> list[str]:
    return [asked.headers["authorization"] for asked in server.asked]


@pytest.mark.parametrize("call", [GET, PATCH], ids=["a read", "a write"])
async def test_a_token_that_is_refused_is_loaded_anew_and_the_request_goes_through(files: Files, call: Call) -> None:
    async with connected(files) as (server, http, accepted):
        await http.send(call)
        files.give("two")
        accepted.symmetric_difference_update({"Bearer one", "Bearer two"})
        await http.send(call)
    assert shown(server) == ["Bearer one", "Bearer one", "Bearer two"]


async def test_a_watch_is_opened_with_the_new_token(files: Files) -> None:
    async with connected(files) as (server, http, accepted):
        files.give("two")
        accepted.symmetric_difference_update({"Bearer one", "Bearer two"})
        async with http.stream(GET, silence_s=5) as content:
            assert await content.read() == b"{}"
    assert shown(server) == ["Bearer one", "Bearer two"]


async def test_many_requests_that_are_refused_together_run_the_plugin_once(files: Files) -> None:
    async with connected(files) as (_, http, accepted):
        files.give("two")
        accepted.symmetric_difference_update({"Bearer one", "Bearer two"})
        await asyncio.gather(*(http.send(GET) for _ in range(20)))
    assert files.runs == 2


async def test_credentials_that_stay_refused_are_not_asked_for_at_each_request(files: Files) -> None:
    async with connected(files) as (server, http, accepted):
        accepted.clear()
        for _ in range(3):
            with pytest.raises(Unavailable, match="the credentials are not accepted"):
                await http.send(GET)
    assert (files.runs, shown(server)) == (2, ["Bearer one"] * 3)


async def test_it_stays_the_token_of_the_context_with_which_it_began(files: Files) -> None:
    async with connected(files) as (server, http, accepted):
        files.write(server.url, current="theirs")
        files.give("two")
        accepted.symmetric_difference_update({"Bearer one", "Bearer two"})
        await http.send(GET)
    assert shown(server) == ["Bearer one", "Bearer two"]


def configuration(host: str, token: str) -> Configuration:
    made = Configuration(host=host)
    made.api_key[TOKEN] = token
    return made


def loading(host: str, token: str, before: Callable[[], Any] = lambda: None) -> Callable[[Configuration], Any]:
    async def load(fresh: Configuration) -> None:
        await (before() or asyncio.sleep(0))
        fresh.host, fresh.api_key[TOKEN] = host, token

    return load


@pytest.mark.looptime
async def test_a_token_for_another_server_is_not_shown_to_this_one() -> None:
    held = configuration("https://here", "one")
    assert not await Renewal(held, loading("https://elsewhere", "two"))("one")
    assert held.api_key == {TOKEN: "one"}


@pytest.mark.looptime
async def test_a_plugin_that_hangs_delays_a_request_for_a_while_and_is_not_started_a_second_time() -> None:
    loop, go_on, begun = asyncio.get_running_loop(), asyncio.Event(), []

    def hang() -> Any:
        begun.append(loop.time())
        return go_on.wait()

    held = configuration("https://here", "one")
    renew = Renewal(held, loading("https://here", "two", hang))
    for number in range(1, 11):
        assert not await renew("one")
        assert loop.time() == pytest.approx(number * kubeconfig.LOADED_S)
    go_on.set()
    assert await renew("one")
    assert (held.api_key, len(begun)) == ({TOKEN: "two"}, 1)


@pytest.mark.looptime
async def test_what_could_not_be_loaded_is_tried_again_later() -> None:
    async def fails(_: Configuration) -> None:
        raise ConfigError("no kubeconfig")

    held, load = configuration("https://here", "one"), [fails, loading("https://here", "two")]
    renew = Renewal(held, lambda fresh: load.pop(0)(fresh))
    with structlog.testing.capture_logs() as logs:
        assert not await renew("one")
        assert not await renew("one")
    assert logs == [{"log_level": "warning", "event": "credentials_not_renewed", "error": "no kubeconfig"}]
    await asyncio.sleep(kubeconfig.AGAIN_S)
    assert await renew("one")


@pytest.mark.looptime
async def test_who_is_refused_late_with_the_old_token_is_given_the_new_one_and_nothing_is_loaded_again() -> None:
    held, load = (
        configuration("https://here", "one"),
        [loading("https://here", "two"), loading("https://here", "three")],
    )
    renew = Renewal(held, lambda fresh: load.pop(0)(fresh))
    assert await renew("one")
    await asyncio.sleep(kubeconfig.AGAIN_S)
    assert await renew("one")
    assert (held.api_key, len(load)) == ({TOKEN: "two"}, 1)


@pytest.mark.looptime
async def test_a_kubeconfig_that_has_no_token_any_more_leaves_the_old_one_and_fails_nothing() -> None:
    async def load(fresh: Configuration) -> None:
        fresh.host = "https://here"

    held, told = configuration("https://here", "one"), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    assert not await Renewal(held, load)("one")
    gc.collect()  # a task whose error nobody asked for tells it when it goes
    assert (held.api_key, told) == ({TOKEN: "one"}, [])
