"""Brings a part of the cache up to what the API server itself has, for decisions that must not come from old data.

A list, even of one object by its name: its one answer tells what is there and what is gone, and it takes no right that
the watches do not need. Without a resourceVersion the API server answers it from what is stored, never from a cache.
"""

from __future__ import annotations

from collections.abc import Sequence

from canary.clients.discovery import Resource
from canary.clients.kube_cache import Cache
from canary.clients.kube_http import Call, KubeHttp
from canary.clients.kube_shape import items_in, reading
from canary.index import Selection
from meshes.contract import Manifest, ObjectRef


async def refreshed(http: KubeHttp, cache: Cache, resource: Resource, selection: Selection) -> None:
    """Take what is selected into the cache as it is now. Raises what the request raises; nothing was taken then."""
    namespace = selection.namespace if resource.namespaced else ""
    before = _known(cache, namespace, selection)
    labels = ",".join(f"{label}={value}" for label, value in selection.labels.items())
    query = (
        *((("fieldSelector", f"metadata.name={selection.name}"),) if selection.name else ()),
        *((("labelSelector", labels),) if labels else ()),
    )
    call = Call(method="GET", path=resource.path(namespace), what=str(selection), query=query)
    items = items_in(await http.send(call), str(selection))
    with reading(str(selection)):
        named = {"kind": selection.kind.kind}  # which built-in kinds say once for all, if at all
        there = {(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items}
        for item in items:
            cache.put(selection.kind, {**named, **item})
        for known in before:
            metadata = known["metadata"]
            if (metadata.get("namespace", ""), metadata["name"]) not in there:
                cache.drop(selection.kind, known, ended=False)


def _known(cache: Cache, namespace: str, selection: Selection) -> Sequence[Manifest]:
    """Return what the cache has of a selection, without a look at the objects beside it."""
    if not selection.name:
        return cache.listed(selection.kind, namespace, selection.labels)
    known = cache.get(ObjectRef(selection.kind, namespace, selection.name))
    return [known] if known is not None and selection.has(known) else []
