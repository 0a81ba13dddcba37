"""The in-memory cluster behind the HTTP API of Kubernetes, as much of it as `canary run` uses. No authentication.

So the controller runs in a process of its own, with its real client, and the cluster's cost is not counted as its.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from canary.errors import AlreadyExists, CanaryError, Conflict, NotFound, Rejected
from canary.ports import Propagation, Watched
from canary.sandbox.client import Client
from canary.sandbox.cluster import InMemoryCluster
from meshes.contract import Kind, ObjectRef

BOOKMARK_S = 30.0
CODES: tuple[tuple[type[CanaryError], int], ...] = (
    (NotFound, 404),
    (AlreadyExists, 409),
    (Conflict, 409),
    (Rejected, 422),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What a path names: a collection, an object of it, or a subresource of that."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


@dataclass(slots=True)
class _History:
    """The changes of one kind as lines of a watch, each with its version, and who waits for the next."""

    lines: list[tuple[int, bytes]] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)


class ApiServer:
    """Answers requests. `requests` counts those that are neither discovery, lists nor watches, by method."""

    def __init__(self, cluster: InMemoryCluster) -> None:
        self.requests: Counter[str] = Counter()
        self._client: Client = cluster.client("canary-controller")
        self._store = cluster.store
        self._version = 0
        self._history: dict[Kind, _History] = defaultdict(_History)
        self._store.listen(self._changed)

    def _changed(self, event: Watched) -> None:
        self._version = int(event.manifest["metadata"]["resourceVersion"])
        history = self._history[event.ref.kind]
        line = json.dumps({"type": event.change.value, "object": event.manifest}).encode() + b"\n"
        history.lines.append((self._version, line))
        history.more.set()
        history.more = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request as an API server would."""
        try:
            return await self._answer(request)
        except CanaryError as error:
            code = next((code for kind, code in CODES if isinstance(error, kind)), 500)
            status = {"kind": "Status", "reason": type(error).__name__, "message": str(error), "code": code}
            return web.json_response(status, status=code)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        group, rest = ("", parts[1:]) if parts[0] == "api" else (parts[1], parts[2:])
        if not rest:
            return self._group(group)
        if len(rest) == 1:
            return self._resources(group, rest[0])
        place = self._place(group, rest[1:])
        if request.method == "GET" and not place.name:
            if "watch" not in request.query:
                return await self._list(request, place)
            with suppress(ConnectionResetError):  # the controller ended
                return await self._watch(request, place)
        self.requests[request.method] += 1
        return web.json_response(await self._object(request, place))

    def _group(self, group: str) -> web.Response:
        served = {version for kind in self._store.kinds if kind.group == group for version in self._versions(kind)}
        if not served:
            raise NotFound(f"no API group {group}")
        return web.json_response({"versions": [{"version": version} for version in sorted(served)]})

    def _versions(self, kind: Kind) -> tuple[str, ...]:
        return self._store.served(kind).versions

    def _resources(self, group: str, version: str) -> web.Response:
        listed = [
            {"name": _plural(kind), "kind": kind.kind, "namespaced": served.namespaced}
            for kind, served in self._store.kinds.items()
            if kind.group == group and version in served.versions
        ]
        return web.json_response({"resources": listed})

    def _place(self, group: str, rest: list[str]) -> _Place:
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        named = [kind for kind in self._store.kinds if kind.group == group and _plural(kind) == rest[0]]
        if not named:
            raise NotFound(f"no resource {rest[0]} in {group}")
        name, subresource = [*rest[1:], "", ""][:2]
        return _Place(kind=named[0], namespace=namespace, name=name, subresource=subresource)

    async def _object(self, request: web.Request, place: _Place) -> Any:
        ref = ObjectRef(place.kind, place.namespace, place.name)
        if request.method == "GET":
            return self._store.require(ref)
        body = await request.json()
        if request.method == "POST":
            return await self._client.create(body)
        if request.method == "PATCH":
            version = body.get("metadata", {}).pop("resourceVersion", "")
            return await self._client.patch(ref, body, resource_version=version, subresource=place.subresource)
        still = body["preconditions"]
        await self._client.delete(
            ref,
            uid=still["uid"],
            resource_version=still["resourceVersion"],
            propagation=Propagation(body["propagationPolicy"]),
        )
        return {"kind": "Status", "status": "Success"}

    async def _list(self, request: web.Request, place: _Place) -> web.Response:
        items = list(self._store.list(place.kind, place.namespace))
        group, version = place.kind.group, self._store.served(place.kind).versions[0]
        head = {"apiVersion": f"{group}/{version}" if group else version, "kind": f"{place.kind.kind}List"}
        return web.json_response({**head, "metadata": {"resourceVersion": str(self._version)}, "items": items})

    async def _watch(self, request: web.Request, place: _Place) -> web.StreamResponse:
        since, history = int(request.query["resourceVersion"]), self._history[place.kind]
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        at = next((n for n, (version, _) in enumerate(history.lines) if version > since), len(history.lines))
        while True:
            more, lines = history.more, history.lines[at:]
            at += len(lines)
            if lines:
                await answer.write(b"".join(line for _, line in lines))
            try:
                async with asyncio.timeout(BOOKMARK_S):
                    await more.wait()
            except TimeoutError:
                mark = {"kind": place.kind.kind, "metadata": {"resourceVersion": str(self._version)}}
                await answer.write(json.dumps({"type": "BOOKMARK", "object": mark}).encode() + b"\n")


def _plural(kind: Kind) -> str:
    name = kind.kind.lower()
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


@asynccontextmanager
async def served(server: ApiServer) -> AsyncIterator[str]:
    """Serve on a free port of 127.0.0.1; yield the address."""
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
