"""A stand-in for the API server that answers lists and watches with what a test puts down, over real connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from canary.clients.discovery import Resource
from canary.clients.kube_cache import Cache, Reflector
from canary.clients.kube_http import KubeHttp, connect
from canary.ports import POD
from meshes.contract import ObjectRef
from tests.cli.process import kubeconfig
from tests.clients.raw_server import Asked, RawServer, Reply, raw_server, saying

PATIENCE_S = 30.0
"""In real time, for what takes moments where nobody else uses the machine."""
PODS = Resource(kind=POD, plural="pods", namespaced=True, versions=("v1",))
PATH = "/api/v1/namespaces/shop/pods"


@dataclass(slots=True)
class Api:
    """The replies to lists and to watches, each used once but for the last, which stays."""

    lists: list[Reply]
    watches: list[Reply] = field(default_factory=lambda: [watching()])

    async def reply(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        replies = self.watches if "watch" in asked.params else self.lists
        await (replies.pop(0) if len(replies) > 1 else replies[0])(asked, writer)


def pod(name: str, version: int) -> dict[str, Any]:
    meta = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}, "status": {}}


def page(*items: dict[str, Any], version: int = 5, more: str = "") -> Reply:
    """Return the reply with one page of a list; `more` is its continue token."""
    metadata = {"resourceVersion": str(version), **({"continue": more} if more else {})}
    return saying(json.dumps({"apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": items}))


def status(code: int, message: str = "no", reason: str = "", *, headers: str = "") -> Reply:
    """Return the reply of an API server that refuses."""
    said = {"kind": "Status", "code": code, "message": message, "reason": reason}
    return saying(json.dumps(said), status=f"{code} As said", headers=headers)


def event(kind: str, about: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": about}


def bookmark(version: int) -> dict[str, Any]:
    return event("BOOKMARK", {"apiVersion": "v1", "kind": "Pod", "metadata": {"resourceVersion": str(version)}})


def watching(*events: dict[str, Any], ends: bool = False) -> Reply:
    """Return the reply to a watch: these events and then silence, or the end of the answer."""

    async def reply(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        writer.write(b"".join(json.dumps(each).encode() + b"\n" for each in events))
        await writer.drain()
        if not ends:
            await asyncio.Event().wait()

    return reply


@asynccontextmanager
async def client(folder: Path, reply: Reply) -> AsyncIterator[tuple[RawServer, KubeHttp]]:
    """A server with this reply, and a client of it as the controller has one."""
    async with raw_server(reply) as server:
        http = await connect(kubeconfig(folder, server.url))
        try:
            yield server, http
        finally:
            await http.close()


@dataclass(slots=True, kw_only=True)
class Followed:
    """A reflector at work: what its server was asked, and what it put into its cache."""

    server: RawServer
    cache: Cache
    reflector: Reflector
    task: asyncio.Task[None]

    @property
    def asked(self) -> list[str]:
        """The requests so far, in short: `list`, `list from TOKEN`, `watch from VERSION`."""
        return [_short(one) for one in self.server.asked]

    def has(self, name: str) -> bool:
        return self.cache.get(ObjectRef(POD, "shop", name)) is not None

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait until it is so; fails after PATIENCE_S, or with what ended the reflector."""
        async with asyncio.timeout(PATIENCE_S):
            while not so():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.01)


def _short(asked: Asked) -> str:
    assert asked.path == PATH
    if "watch" in asked.params:
        assert asked.params["allowWatchBookmarks"] == "true"
        return f"watch from {asked.params['resourceVersion']}"
    return f"list from {asked.params['continue']}" if "continue" in asked.params else "list"


@asynccontextmanager
async def reflecting(server: RawServer, http: KubeHttp) -> AsyncIterator[Followed]:
    """A reflector of the pods of `shop` while inside."""
    cache = Cache()
    reflector = Reflector(http, cache, PODS, "shop")
    task = asyncio.create_task(reflector.run())
    try:
        yield Followed(server=server, cache=cache, reflector=reflector, task=task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def followed(folder: Path, api: Api) -> AsyncIterator[Followed]:
    """A reflector of the pods of `shop`, as this server has them."""
    async with client(folder, api.reply) as (server, http), reflecting(server, http) as it:
        yield it
