"""The in-memory cluster behind the HTTP API of Kubernetes, as much of it as `canary run` uses. No authentication.

So the controller runs in a process of its own, with its real client, and the cluster's cost is not counted as its. Of
the changes only the newest are kept: a watch that begins before them is told 410 Gone, as by a real API server.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from typing import Any

import orjson
from aiohttp import web

from canary.errors import AlreadyExists, CanaryError, Conflict, NotFound, Rejected
from canary.ports import Propagation, Watched
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.managed import Writer
from canary.sandbox.selectors import carries
from canary.sandbox.store import Precondition
from meshes.contract import Kind, Manifest, ObjectRef

MANAGER = "canary-controller"
BOOKMARK_S = 30.0
KEPT = 20_000
"""Changes of one kind that are kept: more than a controller with thousands of canaries ever lags behind."""
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


class _Gone(Exception):
    """The changes that a watch asks for are not kept any more."""


@dataclass(slots=True)
class _History:
    """The newest changes of one kind as lines of a watch, each with its version, and who waits for the next.

    `forgotten` is the version of the newest change that is not kept any more.
    """

    lines: deque[tuple[int, bytes]] = field(default_factory=deque)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    forgotten: int = 0

    def add(self, version: int, line: bytes, kept: int) -> None:
        self.lines.append((version, line))
        self.trim(kept)
        self.more.set()
        self.more = asyncio.Event()

    def trim(self, kept: int) -> None:
        while len(self.lines) > kept:
            self.forgotten, _ = self.lines.popleft()

    def since(self, version: int) -> list[tuple[int, bytes]]:
        """Return the changes after a version. Raises _Gone when not all of them are kept."""
        if version < self.forgotten:
            raise _Gone
        newer = list(takewhile(lambda one: one[0] > version, reversed(self.lines)))
        return newer[::-1]


class ApiServer:
    """Answers requests. `requests` counts those that are neither discovery nor watches by method, a list as a LIST.

    `expired` counts the watches that were told 410 Gone; `kept` changes of each kind are kept for watches.
    """

    def __init__(self, cluster: InMemoryCluster, *, kept: int = KEPT) -> None:
        self.requests: Counter[str] = Counter()
        self.expired = 0
        self._kept = kept
        self._watching: set[asyncio.Transport] = set()
        self._store = cluster.store
        self._version = 0
        self._history: dict[Kind, _History] = defaultdict(_History)
        self._store.listen(self._changed)

    def _changed(self, event: Watched) -> None:
        self._version = int(event.manifest["metadata"]["resourceVersion"])
        line = _line(event.change.value, event.manifest)
        self._history[event.ref.kind].add(self._version, line, self._kept)

    @property
    def lines(self) -> int:
        """How many changes are kept, of all kinds."""
        return sum(len(history.lines) for history in self._history.values())

    def cut(self) -> None:
        """Cut the connections of all watches."""
        for connection in tuple(self._watching):
            connection.abort()

    def forget(self) -> None:
        """Keep nothing of the past of any kind, as after a compaction: whoever watches from before it is told 410 Gone.

        Those whose newest change of their kind lies further back are, though they missed none.
        """
        for history in self._history.values():
            history.lines.clear()
            history.forgotten = self._version

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request as an API server would."""
        try:
            return await self._answer(request)
        except CanaryError as error:
            code = next((code for kind, code in CODES if isinstance(error, kind)), 500)
            status = {"kind": "Status", "reason": type(error).__name__, "message": str(error), "code": code}
            return _response(status, status=code)

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
                self.requests["LIST"] += 1
                return _response(self._listed(request, place))
            answer = web.StreamResponse(headers={"Content-Type": "application/json"})
            with suppress(ConnectionResetError), self._noted(request):  # the controller ended, or the watch was cut
                await answer.prepare(request)
                await self._watch(int(request.query["resourceVersion"]), place.kind, answer)
            return answer
        self.requests[request.method] += 1
        return _response(await self._object(request, place))

    def _group(self, group: str) -> web.Response:
        served = {version for kind in self._store.kinds if kind.group == group for version in self._versions(kind)}
        if not served:
            raise NotFound(f"no API group {group}")
        return _response({"versions": [{"version": version} for version in sorted(served)]})

    def _versions(self, kind: Kind) -> tuple[str, ...]:
        return self._store.served(kind).versions

    def _resources(self, group: str, version: str) -> web.Response:
        listed = [
            {"name": _plural(kind), "kind": kind.kind, "namespaced": served.namespaced}
            for kind, served in self._store.kinds.items()
            if kind.group == group and version in served.versions
        ]
        return _response({"resources": listed})

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
        body = orjson.loads(await request.read())
        if request.method == "POST":
            return self._store.create(body, Writer(manager=MANAGER))
        if request.method == "PATCH":
            return self._patched(ref, body, place.subresource)
        still = Precondition(
            uid=body["preconditions"]["uid"], resource_version=body["preconditions"]["resourceVersion"]
        )
        self._store.delete(ref, Propagation(body["propagationPolicy"]), still)
        return {"kind": "Status", "status": "Success"}

    def _patched(self, ref: ObjectRef, patch: dict[str, Any], subresource: str) -> Manifest:
        """Patch an object: the version or the uid that a patch has is a precondition."""
        if subresource not in ("", "status"):
            raise NotFound(f"no subresource {subresource} of {ref.kind}")
        metadata = patch.get("metadata", {})
        version, uid = metadata.pop("resourceVersion", ""), metadata.get("uid", "")
        if uid and uid != self._store.require(ref)["metadata"]["uid"]:
            raise Rejected(f"{ref}: metadata.uid: field is immutable")
        return self._store.patch(ref, patch, Writer(manager=MANAGER, subresource=subresource), version)

    def _listed(self, request: web.Request, place: _Place) -> Manifest:
        labels = dict(pair.partition("=")[::2] for pair in request.query.get("labelSelector", "").split(",") if pair)
        named = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
        if named:  # as an API server, which looks up what has this name and reads nothing else
            one = self._store.get(ObjectRef(place.kind, place.namespace, named))
            items = [one] if one is not None and carries(one["metadata"].get("labels") or {}, labels) else []
        else:
            items = self._store.list(place.kind, place.namespace, labels)
        group, version = place.kind.group, self._store.served(place.kind).versions[0]
        head = {"apiVersion": f"{group}/{version}" if group else version, "kind": f"{place.kind.kind}List"}
        return {**head, "metadata": {"resourceVersion": str(self._version)}, "items": items}

    @contextmanager
    def _noted(self, request: web.Request) -> Iterator[None]:
        connection = request.transport
        if connection is None:
            raise ConnectionResetError
        self._watching.add(connection)
        try:
            yield
        finally:
            self._watching.discard(connection)

    async def _watch(self, version: int, kind: Kind, answer: web.StreamResponse) -> None:
        """Write the changes of a kind after a version until the connection ends or it has fallen behind."""
        history = self._history[kind]
        while True:
            more = history.more
            try:
                lines = history.since(version)
            except _Gone:
                status = {"kind": "Status", "reason": "Expired", "code": 410, "message": "too old resource version"}
                await answer.write(_line("ERROR", status))
                self.expired += 1
                return
            if lines:
                version = lines[-1][0]
                await answer.write(b"".join(line for _, line in lines))
                continue
            try:
                async with asyncio.timeout(BOOKMARK_S):
                    await more.wait()
            except TimeoutError:
                if history.more is not more:
                    continue  # something came in the same moment
                version = max(version, self._version)
                mark = {"kind": kind.kind, "metadata": {"resourceVersion": str(version)}}
                await answer.write(_line("BOOKMARK", mark))


def _response(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _line(change: str, manifest: Any) -> bytes:
    return orjson.dumps({"type": change, "object": manifest}, option=orjson.OPT_APPEND_NEWLINE)


@cache
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
