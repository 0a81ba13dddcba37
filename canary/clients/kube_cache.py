"""The cache of one watched kind, and the task that keeps it fresh: list in pages, then watch with bookmarks.

Survived: answers 410 (list anew), dropped and silent connections (watch again from where it was), servers that are
away (tried again, delays of at most 10 s with jitter). What is cached is cut down to the fields that are used.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import structlog

from canary.clients.discovery import Resource
from canary.clients.indexes import Indexes
from canary.clients.kube_http import Call, Expired, KubeHttp
from canary.clients.kube_pages import pages
from canary.clients.kube_shape import event_in, newest, reading
from canary.clients.pace import others_first
from canary.clients.parsed import lines_of, parsed
from canary.clients.sharing import Sharing
from canary.clients.trimming import CONTENTS, trimmed
from canary.errors import CanaryError, NotFound, Rejected
from canary.index import Index
from canary.ports import SECRET, Change, Watched
from meshes.contract import Kind, Manifest, ObjectRef

GONE = 10_000
"""Of how many deleted objects the uids are remembered."""
PAGE = 500
CONTENT_PAGE = 50
"""Of ConfigMaps and Secrets, which may have a MiB each."""
NO_HELM = "type!=helm.sh/release.v1"
"""Helm keeps whole releases in Secrets that no pod mounts: they are many and big."""
LIST_S = 30.0
"""The deadline of a page, in seconds."""
WATCH_S = 300
LARGEST_EVENT = 16 * 1024 * 1024
"""An object has at most some MiB; a line that goes on is no event."""
SILENCE_S = 100.0
"""A watch hears a bookmark about once a minute; a connection that is silent for longer is taken for dead."""

Keep = Callable[[Kind, dict[str, Any]], Manifest]
"""Returns what a cache keeps of an object as the API server sent it."""

SHORT_S = 1.0
"""A watch that ends sooner is not begun again at once: something between us and the API server may cut them all."""
LONGEST_PAUSE_S = 10.0

log = structlog.get_logger()


class Cache:
    """The objects of all watched kinds, and who is told of changes: of `every` one at once, for who records them."""

    def __init__(self, keep: Keep | None = None, *, every: bool = False) -> None:
        self._keep = keep or trimmed
        self.every = every
        self._sharing = Sharing()
        self._objects: dict[Kind, dict[tuple[str, str], Manifest]] = {}
        self._listeners: list[Callable[[Watched], None]] = []
        self._gone: dict[str, None] = {}
        self._indexes = Indexes(self._every)

    def get(self, ref: ObjectRef) -> Manifest | None:
        """Return the object, None when it is not there."""
        return self._objects.get(ref.kind, {}).get((ref.namespace, ref.name))

    def listed(self, kind: Kind, namespace: str, labels: Mapping[str, str]) -> list[Manifest]:
        """Return the objects of a kind, of one namespace or all (""), that carry all of `labels`."""
        if namespace and labels:
            return self._indexes.labelled(kind, namespace, labels)
        return [
            manifest
            for (where, _), manifest in self._objects.get(kind, {}).items()
            if (not namespace or where == namespace) and _carries(manifest, labels)
        ]

    def find(self, index: Index, keys: Iterable[Hashable]) -> list[Manifest]:
        """Return the objects that stand under all of these keys of an index."""
        return self._indexes.find(index, keys)

    def _every(self, kind: Kind) -> Iterable[tuple[ObjectRef, Manifest]]:
        objects = self._objects.get(kind, {})
        return ((ObjectRef(kind, namespace, name), manifest) for (namespace, name), manifest in objects.items())

    def subscribe(self, listener: Callable[[Watched], None]) -> None:
        """Tell `listener` of each object that is there, and of each change from now on."""
        for kind, objects in self._objects.items():
            for (namespace, name), manifest in tuple(objects.items()):
                listener(Watched(change=Change.ADDED, ref=ObjectRef(kind, namespace, name), manifest=manifest))
        self._listeners.append(listener)

    def put(self, kind: Kind, manifest: dict[str, Any]) -> None:
        """Take an object as the API server sent it, unless a newer one is known, or that it is gone.

        The answer to a write may come after the watch has told of the object's end.
        """
        if self._is_news(kind, manifest):
            self._take(kind, self.kept(kind, manifest))

    def has(self, kind: Kind, manifest: Mapping[str, Any]) -> bool:
        """Return whether an object is known in just this version, as after the answer to one's own write."""
        known = self.get(_ref(kind, manifest))
        return known is not None and _version(known) == _version(manifest)

    def _is_news(self, kind: Kind, manifest: Manifest) -> bool:
        before = self.get(_ref(kind, manifest))
        gone = manifest["metadata"].get("uid") in self._gone
        return not gone and (before is None or _newer(_version(manifest), _version(before)))

    def _take(self, kind: Kind, kept: Manifest) -> None:
        ref, before = _ref(kind, kept), self.get(_ref(kind, kept))
        self._objects.setdefault(kind, {})[ref.namespace, ref.name] = kept
        self._indexes.put(ref, kept)
        self._tell(Watched(change=Change.MODIFIED if before else Change.ADDED, ref=ref, manifest=kept))

    def drop(self, kind: Kind, manifest: Mapping[str, Any], *, ended: bool = True) -> None:
        """Forget an object that was deleted, unless another of the same name has come since.

        Not `ended`: it may have lost the labels by which it was sought, and comes back with its next event.
        """
        ref = _ref(kind, manifest)
        if ended:
            self._gone[manifest["metadata"].get("uid", "")] = None
        if len(self._gone) > GONE:
            del self._gone[next(iter(self._gone))]
        before = self._objects.get(kind, {}).get((ref.namespace, ref.name))
        if before is None or before["metadata"].get("uid") != manifest["metadata"].get("uid"):
            return
        del self._objects[kind][ref.namespace, ref.name]
        self._indexes.drop(ref)
        self._tell(Watched(change=Change.DELETED, ref=ref, manifest=before))

    def kept(self, kind: Kind, manifest: dict[str, Any]) -> Manifest:
        """Return what is kept of an object, which shares with others what it can."""
        return self._sharing.shared(self._keep(kind, manifest), self.get(_ref(kind, manifest)))

    def forget(self, kind: Kind, namespace: str) -> None:
        """Forget the objects of a kind in a namespace, without a word: nobody asks for them any more."""
        objects = self._objects.get(kind, {})
        for key in [each for each in objects if each[0] == namespace]:
            del objects[key]
            self._indexes.drop(ObjectRef(kind, *key))

    def replace(self, kind: Kind, namespace: str, listed: Sequence[Manifest], version: str) -> None:
        """Take a whole list as it was at `version`, its items from `kept`: what is not in it is gone, but for what was
        made since."""
        there = {_ref(kind, manifest) for manifest in listed}
        for (where, name), manifest in tuple(self._objects.get(kind, {}).items()):
            missing = (not namespace or where == namespace) and ObjectRef(kind, where, name) not in there
            if missing and not _newer(_version(manifest), version):
                self.drop(kind, manifest)
        for manifest in listed:
            if self._is_news(kind, manifest):
                self._take(kind, manifest)

    def _tell(self, event: Watched) -> None:
        for listener in self._listeners:
            listener(event)


class Reflector:
    """Keeps the cache of one kind, in one namespace or all (""), as the API server has it; `of` is a field selector."""

    def __init__(self, http: KubeHttp, cache: Cache, resource: Resource, namespace: str, of: str = "") -> None:
        self._http = http
        self._cache = cache
        self._resource = resource
        self._namespace = namespace if resource.namespaced else ""
        self._path = resource.path(self._namespace)
        self._what = f"{resource.kind}" + (f" in {namespace}" if self._namespace else "")
        self._page = CONTENT_PAGE if resource.kind in CONTENTS else PAGE
        of = NO_HELM if resource.kind == SECRET else of
        self._of = (("fieldSelector", of),) if of else ()
        self._failures = 0
        self._expired = 0
        self.filled = asyncio.Event()
        self.failure = ""
        """Why the newest list or watch failed, "" once one has not."""

    async def run(self) -> None:
        """List and watch until cancelled."""
        version = ""
        while True:
            try:
                if not version:
                    version = await self._list()
                    self.failure = ""
                    self.filled.set()
                began = asyncio.get_running_loop().time()
                version = await self._watch(version)
                self._failures = 0
                await self._pause(asyncio.get_running_loop().time() - began, version)
            except (CanaryError, OSError, TimeoutError) as failure:
                self._failures += 1
                self.failure = str(failure) or type(failure).__name__
                if isinstance(failure, NotFound):
                    self.filled.set()  # its CRD went away since it was found: nobody may wait for it
                if isinstance(failure, Rejected | NotFound) or self._failures > 3:
                    version = ""
                delay = min(LONGEST_PAUSE_S, 0.2 * 2.0 ** min(self._failures, 8)) * random.uniform(0.5, 1)
                log.warning("watch_interrupted", kind=self._what, error=str(failure), again_in_s=round(delay, 2))
                await asyncio.sleep(delay)

    async def _pause(self, lived_s: float, version: str) -> None:
        """Wait after a watch that was short; the longer the more of them ended with a list, which may be long."""
        short = lived_s < SHORT_S
        self._expired = self._expired + 1 if short and not version else 0
        if short:
            longest = min(LONGEST_PAUSE_S, SHORT_S * 2.0 ** min(max(0, self._expired - 1), 8))
            await asyncio.sleep(longest * random.uniform(0.5, 1))

    async def _list(self) -> str:
        items: list[Manifest] = []  # what is kept of them: whole ones of a big cluster may be gigabytes
        kind, version = self._resource.kind, ""
        named = {"kind": kind.kind}  # which built-in kinds say once for all, if at all
        call = Call(method="GET", path=self._path, what=self._what, query=self._of, deadline_s=LIST_S)
        async with aclosing(pages(self._http, call, self._page)) as listed:
            async for page, at in listed:
                version = at
                with reading(self._what):
                    items += [self._cache.kept(kind, {**named, **item}) for item in page]
        with reading(self._what):
            self._cache.replace(kind, self._namespace, items, version)
        return version

    async def _watch(self, version: str) -> str:
        """Watch from `version` until the server ends it; return where to go on, "" to list anew."""
        seconds = int(WATCH_S * random.uniform(0.8, 1))
        query = (
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(seconds)),
            *self._of,
        )
        call = Call(method="GET", path=self._path, what=f"watch of {self._what}", query=query)
        try:
            async with (
                asyncio.timeout(seconds + SILENCE_S),  # by then the API server has ended it; bytes alone are no life
                self._http.stream(call, silence_s=SILENCE_S) as answer,
                aclosing(lines_of(answer.iter_any(), LARGEST_EVENT, self._what)) as lines,
            ):
                self.failure = ""
                async for several in lines:
                    for event in newest([parsed(line) for line in several], self._what, self._cache.every):
                        if not (version := self._take(event, version)):
                            return ""
                    await others_first(self._resource.kind, len(several), every=self._cache.every)
        except Expired:
            return ""
        except (OSError, TimeoutError, ValueError) as cut:
            log.info("watch_cut", kind=self._what, error=str(cut) or type(cut).__name__)
        return version

    def _take(self, event: Any, version: str) -> str:
        with reading(self._what):
            if event["type"] == "MODIFIED" and self._cache.has(self._resource.kind, event["object"]):
                return _version(event["object"])  # the echo of a write, whose answer was looked into
        said, manifest = event_in(event, self._what)
        with reading(self._what):
            match said:
                case "ADDED" | "MODIFIED":
                    self._cache.put(self._resource.kind, manifest)
                case "DELETED":
                    self._cache.drop(self._resource.kind, manifest)
                case "BOOKMARK":
                    pass
                case _:
                    log.info("watch_expired", kind=self._what, code=manifest.get("code"), error=manifest.get("message"))
                    return ""
            return str(manifest["metadata"].get("resourceVersion", version))


def _ref(kind: Kind, manifest: Mapping[str, Any]) -> ObjectRef:
    metadata = manifest["metadata"]
    return ObjectRef(kind, metadata.get("namespace", ""), metadata["name"])


def _version(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["resourceVersion"])


def _newer(new: str, old: str) -> bool:
    """Return whether a version is newer; resourceVersions of one kind are compared as numbers (KEP-5504)."""
    return int(new) > int(old) if new.isdecimal() and old.isdecimal() else new != old


def _carries(manifest: Manifest, labels: Mapping[str, str]) -> bool:
    has = manifest["metadata"].get("labels") or {}
    return all(has.get(name) == value for name, value in labels.items())
