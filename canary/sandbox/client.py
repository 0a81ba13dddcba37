"""One client of the in-memory API server: an implementation of `canary.ports.Cluster` with its own cache.

Each client has its own cache, counts, faults and delays, so that two controllers, or a controller and a kubelet, can
share one cluster. What a request does to the objects is `store.py`'s job.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from inspect import isawaitable
from typing import TypeVar

from canary.clients.crd_schema import knows
from canary.errors import NotFound, Rejected
from canary.index import Index, Selection
from canary.ports import Change, Following, Propagation, Watched, ref_of
from canary.sandbox.calls import Call, Hook, Requests, Verb
from canary.sandbox.demand import Demand
from canary.sandbox.managed import Writer
from canary.sandbox.merge import not_taken
from canary.sandbox.objects import Objects
from canary.sandbox.store import Precondition, Store
from meshes.contract import Kind, Manifest, ObjectRef

_T = TypeVar("_T")
_NO_VERSION = "none"
"""What a missing precondition is held against: a write of the port always has one, so this is a Conflict."""
_SERVER_OWNED = ("resourceVersion", "uid", "generation", "creationTimestamp", "managedFields")


class Client:
    """A `canary.ports.Cluster`. `manager` is the field manager of its writes.

    `before` and `after` are asked before each call goes out and after its effect: what they raise, the call raises
    (in `after` the write has happened). `latency` is how long a call takes in seconds; `lag` how long after a change
    its event arrives. `demand` says what is seen only where it is followed.
    """

    def __init__(self, store: Store, manager: str) -> None:
        self.store = store
        self.requests = Requests()
        self.before: Hook | None = None
        self.after: Hook | None = None
        self.latency = 0.0
        self.lag = 0.0
        self.demand = Demand()
        self._manager = manager
        self._loop = asyncio.get_running_loop()
        self._cache = Objects()
        self._listeners: list[Callable[[Watched], None]] = []
        self._pending: deque[Watched] = deque()
        self._delivered = 0
        self._held = False
        self._closed = False
        for manifest in store.objects:
            self._cache.put(ref_of(manifest), manifest)
        store.listen(self._receive)

    def get(self, ref: ObjectRef) -> Manifest | None:
        found = self._cache.get(ref)
        return self.demand.shown(ref, found) if found is not None else None

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        return self._shown(kind, self._cache.listed(kind, namespace, labels or {}))

    def find(self, index: Index, *keys: Hashable) -> Sequence[Manifest]:
        return self._shown(index.kind, self._cache.indexed(index, keys))

    def _shown(self, kind: Kind, found: Sequence[Manifest]) -> Sequence[Manifest]:
        if kind not in self.demand.kinds:
            return found
        return [shown for each in found if (shown := self.demand.shown(ref_of(each), each)) is not None]

    def follow(self, kind: Kind, namespace: str) -> Following:
        now = self.demand.state(kind, namespace)
        if not now.filled and not now.failure:
            self._loop.call_soon(self._fill, kind, namespace)
        return now

    def _fill(self, kind: Kind, namespace: str) -> None:
        self.demand.followed.add((kind, namespace))
        for each in self._cache.listed(kind, namespace, {}):
            self._tell([Watched(change=Change.ADDED, ref=ref_of(each), manifest=each)])

    def unfollow(self, kind: Kind, namespace: str) -> None:
        self.demand.followed.discard((kind, namespace))

    def subscribe(self, listener: Callable[[Watched], None]) -> None:
        self._loop.call_soon(self._begin, listener)

    def unsubscribe(self, listener: Callable[[Watched], None]) -> None:
        """Call `listener` no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def served(self, kind: Kind) -> tuple[str, ...]:
        served = self.store.kinds.get(kind)
        return served.versions if served else ()

    def watches(self, kind: Kind, namespace: str) -> bool:
        return kind in self.store.kinds

    def has_field(self, kind: Kind, version: str, path: str) -> bool | None:
        served = self.store.kinds.get(kind)
        if served is None or version not in served.versions:
            return None
        return served.schema is None or knows(served.schema, path)

    async def read(self, ref: ObjectRef) -> Manifest | None:
        return await self._call(Call(verb=Verb.READ, ref=ref), lambda: self._stored(ref))

    async def refresh(self, selection: Selection) -> None:
        where = ObjectRef(selection.kind, selection.namespace, selection.name)
        await self._call(Call(verb=Verb.READ, ref=where), lambda: self._renew(selection))

    async def create(self, manifest: Manifest) -> Manifest:
        meta = manifest.get("metadata") or {}
        where = ObjectRef(self.store.kind_of(manifest), meta.get("namespace", ""), meta.get("name", ""))
        call = Call(verb=Verb.CREATE, ref=where, body=manifest)
        body = {**manifest, "apiVersion": self._api_version(where.kind, str(manifest.get("apiVersion", "")))}
        new = await self._call(call, lambda: self.store.create(body, Writer(manager=self._manager)))
        return self._taken(manifest, new)

    async def patch(self, ref: ObjectRef, patch: Manifest, *, resource_version: str, subresource: str = "") -> Manifest:
        if subresource not in ("", "status"):
            raise NotFound(f"the server could not find the requested resource ({ref.kind}/{subresource})")
        call = Call(verb=Verb.PATCH, ref=ref, subresource=subresource, body=patch)
        writer = Writer(manager=self._manager, subresource=subresource)

        def effect() -> Manifest:
            return self.store.patch(ref, patch, writer, resource_version or self._version_of(ref, patch))

        new = await self._call(call, effect)
        return self._taken(patch, new)

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str, propagation: Propagation = Propagation.BACKGROUND
    ) -> None:
        still = Precondition(uid=uid or _NO_VERSION, resource_version=resource_version or _NO_VERSION)

        def effect() -> Manifest | None:
            if self._stored(ref) is not None:
                self.store.delete(ref, propagation, still)
            return self._stored(ref)

        marked = await self._call(Call(verb=Verb.DELETE, ref=ref), effect)
        if marked is not None:
            self._keep(marked)

    def hold_events(self) -> None:
        """Let no event arrive until `release_events`, as when a watch is cut and nobody noticed yet."""
        self._held = True

    def release_events(self) -> None:
        """Let the events arrive that were held, in order."""
        self._held = False
        for _ in range(len(self._pending)):
            self._loop.call_soon(self._deliver)

    def close(self) -> None:
        """End this client: no more events, as when its process is killed. The cluster goes on."""
        self._closed = True
        self._listeners.clear()
        self._pending.clear()

    async def _call(self, call: Call, effect: Callable[[], _T]) -> _T:
        self.requests.add(call)
        await asyncio.sleep(self.latency)
        await _ask(self.before, call)
        result = effect()
        await _ask(self.after, call)
        return result

    def _version_of(self, ref: ObjectRef, patch: Manifest) -> str:
        """Return the version of the object, if it is the one whose uid a patch names."""
        live, uid = self.store.require(ref), (patch.get("metadata") or {}).get("uid")
        if uid and uid != live["metadata"]["uid"]:
            raise Rejected(f'{ref.kind} "{ref.name}" is invalid: metadata.uid: field is immutable')
        return str(live["metadata"]["resourceVersion"]) if uid else _NO_VERSION

    def _stored(self, ref: ObjectRef) -> Manifest | None:
        self.store.served(ref.kind)
        return self.store.get(ref)

    def _api_version(self, kind: Kind, asked: str) -> str:
        """The apiVersion to write in: the one asked for if it is served, else the newest that is."""
        versions = self.store.served(kind).versions
        version = asked.rpartition("/")[2] if asked.rpartition("/")[2] in versions else versions[0]
        return f"{kind.group}/{version}" if kind.group else version

    def _taken(self, asked: Manifest, new: Manifest) -> Manifest:
        """Keep what a write returned; Rejected when a field of what was asked for is not in it."""
        self._keep(new)
        wanted = {key: value for key, value in asked.items() if key != "apiVersion"}
        meta = {key: value for key, value in asked.get("metadata", {}).items() if key not in _SERVER_OWNED}
        if lost := not_taken({**wanted, "metadata": meta}, new):
            raise Rejected(f"{ref_of(new)}: the API server did not take the field {lost}: pruned, or not its place")
        return new

    def _keep(self, new: Manifest) -> None:
        """Put what a write returned into the cache, unless the watch was quicker."""
        if _version(new) > self._delivered:
            events = self._learned(Watched(change=Change.MODIFIED, ref=ref_of(new), manifest=new))
            self._loop.call_soon(self._tell, events)

    def _renew(self, selection: Selection) -> None:
        """Put what is selected into the cache as it is now; what is there no more is dropped."""
        self.store.served(selection.kind)
        where = (selection.kind, selection.namespace, selection.labels)
        live = {ref_of(one): one for one in self.store.list(*where) if selection.has(one)}
        for manifest in live.values():
            self._keep(manifest)
        for manifest in [one for one in self._cache.listed(*where) if selection.has(one) and ref_of(one) not in live]:
            self._cache.drop(ref_of(manifest))
            gone = Watched(change=Change.DELETED, ref=ref_of(manifest), manifest=manifest)
            self._loop.call_soon(self._tell, [gone])

    def _begin(self, listener: Callable[[Watched], None]) -> None:
        if self._closed:
            return
        self._listeners.append(listener)
        for manifest in list(self._cache):
            ref = ref_of(manifest)
            shown = self.demand.shown(ref, manifest)
            if shown is not None:
                listener(Watched(change=Change.ADDED, ref=ref, manifest=shown))

    def _receive(self, event: Watched) -> None:
        if self._closed:
            return
        self._pending.append(event)
        if self._held:
            return
        if self.lag:
            self._loop.call_later(self.lag, self._deliver)
        else:
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        if self._held or not self._pending:
            return
        event = self._pending.popleft()
        self._tell(self._learned(event))
        self._delivered = _version(event.manifest)

    def _learned(self, event: Watched) -> Sequence[Watched]:
        """Bring the cache up to the event and return what changed in it: nothing when it knew better."""
        known = self._cache.get(event.ref)
        if known is not None and _version(known) >= _version(event.manifest):
            return []
        if event.change is Change.DELETED:
            self._cache.drop(event.ref)
            return [event] if known is not None else []
        self._cache.put(event.ref, event.manifest)
        now = Watched(change=Change.MODIFIED if known else Change.ADDED, ref=event.ref, manifest=event.manifest)
        if known is None or known["metadata"]["uid"] == event.manifest["metadata"]["uid"]:
            return [now]
        gone = Watched(change=Change.DELETED, ref=event.ref, manifest=known)
        return [gone, Watched(change=Change.ADDED, ref=event.ref, manifest=event.manifest)]

    def _tell(self, events: Sequence[Watched]) -> None:
        for event in events:
            shown = self.demand.shown(event.ref, event.manifest)
            if shown is None:
                continue
            told = event if shown is event.manifest else replace(event, manifest=shown)
            for listener in list(self._listeners):
                listener(told)


async def _ask(hook: Hook | None, call: Call) -> None:
    if hook is None:
        return
    answer = hook(call)
    if isawaitable(answer):
        await answer


def _version(manifest: Manifest) -> int:
    return int(manifest["metadata"]["resourceVersion"])
