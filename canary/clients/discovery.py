"""Which API versions a cluster serves for a kind, and at which path. Asked at the start and when a CRD changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from canary.clients.kube_http import Call, KubeHttp
from canary.clients.kube_shape import label_in, reading
from canary.clients.retry import retrying
from canary.errors import NotFound, Rejected
from meshes.contract import Kind

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Where a kind is served: its plural, whether it has namespaces, its versions, newest first."""

    kind: Kind
    plural: str
    namespaced: bool
    versions: tuple[str, ...]

    @property
    def api_version(self) -> str:
        """The newest version as manifests write it: `apps/v1`, `v1`."""
        return f"{self.kind.group}/{self.versions[0]}" if self.kind.group else self.versions[0]

    def path(self, namespace: str = "", name: str = "", *, version: str = "", subresource: str = "") -> str:
        """Return the path of the collection ("" for the name), of an object, or of its subresource."""
        chosen = version or self.versions[0]
        root = f"/apis/{self.kind.group}/{chosen}" if self.kind.group else f"/api/{chosen}"
        where = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        parts = [root + where, self.plural, name, subresource]
        return "/".join(part for part in parts if part)


class Discovery:
    """What the cluster serves of the kinds that were asked for."""

    def __init__(self, http: KubeHttp) -> None:
        self._http = http
        self._resources: dict[Kind, Resource] = {}

    def resource(self, kind: Kind) -> Resource:
        """Return where a kind is served. Raises Rejected when the cluster does not know it."""
        found = self._resources.get(kind)
        if found is None:
            raise Rejected(f"the cluster serves no {kind}: is its CRD installed, and is the API group reachable?")
        return found

    def kind_named(self, name: str) -> Kind:
        """Return the one kind of that name. Raises Rejected when none is served, or several are."""
        named = [kind for kind in self._resources if kind.kind == name]
        if len(named) != 1:
            raise Rejected(f"{name}: apiVersion is missing, and {len(named)} kinds that are served have that name")
        return named[0]

    def served(self, kind: Kind) -> tuple[str, ...]:
        """Return the versions of a kind, newest first; empty when the cluster does not know it."""
        found = self._resources.get(kind)
        return found.versions if found else ()

    async def refresh(self, kinds: set[Kind]) -> None:
        """Ask the cluster anew for these kinds. A group that it does not know leaves its kinds unserved."""
        groups = sorted({kind.group for kind in kinds})
        found = await _all_of(self._group(group) for group in groups)
        for group, resources in zip(groups, found, strict=True):
            for kind in (kind for kind in kinds if kind.group == group):
                with reading(f"API group {group or 'core'}"):
                    entry = _resource(kind, resources)
                if entry is None:
                    self._resources.pop(kind, None)
                else:
                    self._resources[kind] = entry

    async def _group(self, group: str) -> dict[str, list[dict[str, object]]]:
        if not group:
            return {"v1": await self._version("/api/v1")}
        try:
            listed = await self._asked(f"/apis/{group}", f"API group {group}")
        except NotFound:
            return {}
        with reading(f"API group {group}"):
            versions = [label_in(entry["version"]) for entry in listed["versions"]]
        resources = await _all_of(self._version(f"/apis/{group}/{version}") for version in versions)
        return dict(zip(versions, resources, strict=True))

    async def _version(self, path: str) -> list[dict[str, object]]:
        try:
            answer = await self._asked(path, f"API resources of {path}")
        except NotFound:
            return []
        with reading(f"API resources of {path}"):
            return list(answer["resources"])

    async def _asked(self, path: str, what: str) -> Any:
        """Return an answer; a server that has no time for one of the many questions is asked again."""
        return await retrying(lambda: self._http.send(Call(method="GET", path=path, what=what)))


async def _all_of(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what all calls return, once none is under way any more. Raises what the first of them raised."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    return [one for one in ended if not isinstance(one, BaseException)]


def _resource(kind: Kind, by_version: dict[str, list[dict[str, object]]]) -> Resource | None:
    versions: list[str] = []
    entry: dict[str, object] = {}
    for version in sorted(by_version, key=version_rank, reverse=True):
        for listed in by_version[version]:
            if listed["kind"] == kind.kind and "/" not in str(listed["name"]):
                versions.append(version)
                entry = entry or listed
    if not versions:
        return None
    return Resource(
        kind=kind, plural=label_in(entry["name"]), namespaced=bool(entry["namespaced"]), versions=tuple(versions)
    )


def version_rank(version: str) -> tuple[int, int, int]:
    """Return the rank of an API version: stable over beta over alpha, then the higher number (the rule of CRDs)."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return (-1, 0, 0)
    stage = {None: 2, "beta": 1, "alpha": 0}[match[2]]
    return (stage, int(match[1]), int(match[3] or 0))
