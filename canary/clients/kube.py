"""The Kubernetes API behind the Cluster port: reads from watched caches, writes with the resourceVersion that was read.

What was written is compared with what the server answers, so that a field it pruned is an error that names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog

from canary.clients.crd_schema import knows
from canary.clients.discovery import Discovery, Resource
from canary.clients.kube_cache import Cache, Keep, Reflector
from canary.clients.kube_http import MERGE_PATCH, Call, KubeHttp
from canary.clients.kube_refresh import refreshed
from canary.clients.kube_shape import object_in, reading
from canary.clients.scope import Scope, scope_of
from canary.clients.trimming import CRD, trimmed
from canary.errors import CanaryError, NotFound, Rejected
from canary.index import Index, Selection
from canary.ports import CANARY, CONFIG_MAP, EVENT, LEASE, SECRET, Change, Following, Propagation, Watched
from meshes.contract import Kind, Manifest, ObjectRef

FIELD_MANAGER = "canary-controller"
MANAGER = ("fieldManager", FIELD_MANAGER)
LONGEST_DELAY_S = 10.0

log = structlog.get_logger()


class KubeCluster:
    """The Cluster port over one API server. Make it with `kube_cluster`."""

    def __init__(
        self, http: KubeHttp, kinds: Iterable[Kind], namespaces: Sequence[str] | Scope, keep: Keep | None = None
    ) -> None:
        self._http = http
        self._kinds = {*kinds}
        self._scope = scope_of(namespaces)
        self._discovery = Discovery(http)
        less = partial(trimmed, schemas=frozenset(self._kinds))
        self._cache = Cache(keep or less, every=keep is not None)
        self._reflectors: dict[tuple[Kind, str], Reflector] = {}
        self._followed: dict[tuple[Kind, str], tuple[Reflector, asyncio.Task[None]]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._wanted: dict[Kind, set[str]] = {}
        self._learning: set[Kind] = set()

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Find out what is served, watch it in tasks of `tasks`, and return once all caches are filled.

        Raises Rejected when the Canary CRD is not installed.
        """
        self._tasks = tasks
        await self._discovery.refresh({*self._kinds, CRD, EVENT, LEASE, CONFIG_MAP, SECRET})
        if not self._discovery.served(CANARY):
            raise Rejected(f"{self._http.host} serves no {CANARY}: apply manifests/crd.yaml (`canary crd` prints it)")
        self._watch_what_is_served()
        for reflector in tuple(self._reflectors.values()):
            await reflector.filled.wait()
        self._cache.subscribe(self._crd_changed)

    def _watch_what_is_served(self) -> None:
        assert self._tasks is not None
        for kind in {*self._kinds, CRD}:
            if not self._discovery.served(kind):
                continue
            resource = self._discovery.resource(kind)
            for namespace in self._scope.of(kind) if resource.namespaced else ("",):
                if (kind, namespace) not in self._reflectors:
                    reflector = Reflector(self._http, self._cache, resource, namespace)
                    self._reflectors[kind, namespace] = reflector
                    self._run(reflector.run(), f"watch {kind} {namespace}")

    def _crd_changed(self, event: Watched) -> None:
        spec = event.manifest.get("spec", {})
        kind = Kind(spec.get("group", ""), spec.get("names", {}).get("kind", ""))
        if event.ref.kind != CRD or kind not in self._kinds or self._tasks is None:
            return
        versions = () if event.change is Change.DELETED else spec.get("versions", ())
        self._wanted[kind] = {version["name"] for version in versions if version.get("served")}
        if self._wanted[kind] != set(self._discovery.served(kind)) and kind not in self._learning:
            self._learning.add(kind)
            self._run(self._learn(kind), f"discover {kind}")

    def _run(self, what: Coroutine[Any, Any, None], name: str) -> None:
        """Run it until `stop`; what ended by itself is forgotten."""
        assert self._tasks is not None
        task = self._tasks.create_task(what, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _learn(self, kind: Kind) -> None:
        """Ask until the cluster serves what the CRD says: it is served some moments after its last change is told."""
        delay = 0.1
        while self._wanted[kind] != set(self._discovery.served(kind)):
            try:
                await self._discovery.refresh({kind})
            except CanaryError as failure:
                log.warning("discovery_interrupted", kind=str(kind), error=str(failure))
            self._watch_what_is_served()
            await asyncio.sleep(delay)
            delay = min(LONGEST_DELAY_S, delay * 2)
        self._learning.discard(kind)

    def stop(self) -> None:
        """End the watches."""
        for task in (*self._running, *(task for _, task in self._followed.values())):
            task.cancel()

    def filled(self) -> bool:
        """Return whether every cache has been filled once."""
        return bool(self._reflectors) and all(reflector.filled.is_set() for reflector in self._reflectors.values())

    def get(self, ref: ObjectRef) -> Manifest | None:
        return self._cache.get(ref)

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        return self._cache.listed(kind, namespace, labels or {})

    def find(self, index: Index, *keys: Hashable) -> Sequence[Manifest]:
        return self._cache.find(index, keys)

    def subscribe(self, listener: Callable[[Watched], None]) -> None:
        self._cache.subscribe(listener)

    def follow(self, kind: Kind, namespace: str) -> Following:
        watched = self._reflectors.get((kind, namespace)) or self._reflectors.get((kind, ""))
        if watched is None:
            watched = self._following(kind, namespace)
        return Following(watched.filled.is_set(), watched.failure)

    def _following(self, kind: Kind, namespace: str) -> Reflector:
        known = self._followed.get((kind, namespace))
        if known is not None:
            return known[0]
        assert self._tasks is not None
        reflector = Reflector(self._http, self._cache, self._discovery.resource(kind), namespace)
        task = self._tasks.create_task(reflector.run(), name=f"watch {kind} {namespace}")
        self._followed[kind, namespace] = (reflector, task)
        return reflector

    def unfollow(self, kind: Kind, namespace: str) -> None:
        known = self._followed.pop((kind, namespace), None)
        if known is not None:
            known[1].cancel()
            self._cache.forget(kind, namespace)

    def served(self, kind: Kind) -> tuple[str, ...]:
        return self._discovery.served(kind)

    def watches(self, kind: Kind, namespace: str) -> bool:
        return (kind, "") in self._reflectors or (kind, namespace) in self._reflectors

    def has_field(self, kind: Kind, version: str, path: str) -> bool | None:
        if not self._discovery.served(kind):
            return None
        crd = self._cache.get(ObjectRef(CRD, "", f"{self._discovery.resource(kind).plural}.{kind.group}")) or {}
        versions = crd.get("spec", {}).get("versions", ())
        schema = next((each.get("schema") for each in versions if each.get("name") == version), None)
        return None if schema is None else knows(schema, path)

    async def read(self, ref: ObjectRef) -> Manifest | None:
        path = self._discovery.resource(ref.kind).path(ref.namespace, ref.name)
        try:
            return object_in(await self._http.send(Call(method="GET", path=path, what=str(ref))), str(ref))
        except NotFound:
            return None

    async def refresh(self, selection: Selection) -> None:
        await refreshed(self._http, self._cache, self._discovery.resource(selection.kind), selection)

    async def create(self, manifest: Manifest) -> Manifest:
        kind, resource, version = self._where(manifest)
        metadata = manifest["metadata"]
        ref = ObjectRef(kind, metadata.get("namespace", ""), metadata["name"])
        body = {**manifest, "apiVersion": f"{kind.group}/{version}" if kind.group else version}
        path = resource.path(ref.namespace, version=version)
        call = Call(method="POST", path=path, what=str(ref), query=(MANAGER,), body=body)
        created = object_in(await self._http.send(call), str(ref))
        self._keep(ref, created)
        _expect(ref, body, created)
        return created

    async def patch(self, ref: ObjectRef, patch: Manifest, *, resource_version: str, subresource: str = "") -> Manifest:
        still = {"resourceVersion": resource_version} if resource_version else {"uid": patch["metadata"]["uid"]}
        body = {**patch, "metadata": {**patch.get("metadata", {}), **still}}
        path = self._discovery.resource(ref.kind).path(ref.namespace, ref.name, subresource=subresource)
        call = Call(method="PATCH", path=path, what=str(ref), query=(MANAGER,), body=body, content_type=MERGE_PATCH)
        patched = object_in(await self._http.send(call), str(ref))
        self._keep(ref, patched)
        _expect(ref, patch, patched)
        return patched

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str, propagation: Propagation = Propagation.BACKGROUND
    ) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
            "propagationPolicy": propagation.value,
        }
        path = self._discovery.resource(ref.kind).path(ref.namespace, ref.name)
        try:
            answer = await self._http.send(Call(method="DELETE", path=path, what=str(ref), body=body))
        except NotFound:
            return
        with reading(str(ref)):
            waits = answer.get("kind") == ref.kind.kind and answer["metadata"].get("finalizers")
        if waits:
            self._keep(ref, object_in(answer, str(ref)))

    def _where(self, manifest: Manifest) -> tuple[Kind, Resource, str]:
        group, _, version = str(manifest.get("apiVersion", "")).rpartition("/")
        kind = Kind(group, manifest["kind"]) if version else self._discovery.kind_named(manifest["kind"])
        resource = self._discovery.resource(kind)
        return kind, resource, version if version in resource.versions else resource.versions[0]

    def _keep(self, ref: ObjectRef, manifest: dict[str, Any]) -> None:
        if ref.kind in self._kinds or (ref.kind, manifest["metadata"].get("namespace", "")) in self._followed:
            with reading(str(ref)):
                self._cache.put(ref.kind, manifest)


def _expect(ref: ObjectRef, sent: Any, got: Any) -> None:
    missing = lost_field(sent, got, "")
    if missing:
        raise Rejected(
            f"{ref}: the API server did not keep {missing}; the installed version of {ref.kind} may not know the field"
        )


def lost_field(sent: Any, got: Any, path: str) -> str:
    """Return the path of the first field that was sent and does not stand in the answer, "" when none is missing.

    None in a merge patch removes a key; what the server added is no loss.
    """
    if sent == got:
        return ""
    if isinstance(sent, Mapping):
        if not isinstance(got, Mapping):
            return path if sent else ""
        for key, value in sent.items():
            if path == ".metadata" and key in ("resourceVersion", "managedFields", "creationTimestamp"):
                continue
            lost = _lost_key(key, value, got, f"{path}.{key}")
            if lost:
                return lost
        return ""
    if isinstance(sent, list):
        if not isinstance(got, list) or len(sent) != len(got):
            return path if sent or got else ""
        lost_items = (
            lost_field(one, other, f"{path}[{i}]") for i, (one, other) in enumerate(zip(sent, got, strict=True))
        )
        return next((lost for lost in lost_items if lost), "")
    return path


def _lost_key(key: str, value: Any, got: Mapping[str, Any], path: str) -> str:
    if value is None:
        return "" if got.get(key) is None else path
    if key not in got and isinstance(value, Mapping):
        return lost_field(value, {}, path)  # a map goes with its last key
    if key not in got:
        return "" if value in ({}, [], "", False, 0) else path
    return lost_field(value, got[key], path)


@asynccontextmanager
async def kube_cluster(
    http: KubeHttp, kinds: Iterable[Kind], namespaces: Sequence[str] | Scope = (), keep: Keep | None = None
) -> AsyncIterator[KubeCluster]:
    """Open the Cluster port over an API server, caches filled; its watches end with the block.

    No namespaces means all. `keep` is for who records: it says what the caches keep of an object, by default what the
    controller reads, and each change is told then.
    """
    cluster = KubeCluster(http, kinds, namespaces, keep)
    async with asyncio.TaskGroup() as tasks:
        await cluster.start(tasks)
        try:
            yield cluster
        finally:
            cluster.stop()
