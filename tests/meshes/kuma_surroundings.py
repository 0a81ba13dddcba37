"""What a cluster with Kuma has around a route, for the tests of what the adapter finds out; and a schema of Kuma 3.0.

The schema is cut down to the fields that make the difference: references by labels alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from canary.clients.crd_schema import knows
from meshes.contract import Kind, Manifest, ObjectRef

DEPLOYMENT, SERVICE, NAMESPACE = Kind("apps", "Deployment"), Kind("", "Service"), Kind("", "Namespace")
ROUTE, MESH = Kind("kuma.io", "MeshHTTPRoute"), Kind("kuma.io", "Mesh")

Json = dict[str, Any]


def _object(**properties: Any) -> Json:
    return {"type": "object", "properties": properties}


def _list(items: Any) -> Json:
    return {"type": "array", "items": items}


_OPEN: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TEXT: Json = {"type": "string"}
_LABELS: Json = {"type": "object", "additionalProperties": {"type": "string"}}


def route_schema(*fields: str) -> Json:
    """The structural schema of a MeshHTTPRoute whose references have these fields, beside `kind`."""
    known = {"kind": _TEXT, **{name: _LABELS if name in ("labels", "tags") else _TEXT for name in fields}}
    number: Json = {"type": "integer"}
    target = {name: known[name] for name in known if name != "port"}
    backend = {**known, **({"port": number} if "port" in known else {}), "weight": {**number, "default": 1}}
    default = _object(backendRefs=_list(_object(**backend)), filters=_list(_OPEN))
    rules = _list(_object(matches=_list(_OPEN), default=default))
    return _object(
        spec=_object(targetRef=_object(kind=_TEXT), to=_list(_object(targetRef=_object(**target), rules=rules)))
    )


KUMA_2_7 = route_schema("name", "mesh", "tags", "port")
KUMA_2_14 = route_schema("name", "namespace", "labels", "mesh", "tags", "sectionName", "port")
KUMA_3_0 = route_schema("labels", "sectionName", "port")


@dataclass(frozen=True, slots=True)
class Around:
    """A cluster's caches: objects by reference, and the schema of MeshHTTPRoutes, None when it cannot be read."""

    objects: Mapping[ObjectRef, Manifest] = field(default_factory=dict)
    schema: Json | None = None
    hidden: tuple[str, ...] = ()

    def get(self, ref: ObjectRef) -> Manifest | None:
        return self.objects.get(ref)

    def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        found = [one for ref, one in self.objects.items() if ref.kind == kind and namespace in ("", ref.namespace)]
        wanted = (labels or {}).items()
        return [one for one in found if wanted <= (one["metadata"].get("labels") or {}).items()]

    def watches(self, kind: Kind, namespace: str) -> bool:
        return namespace not in self.hidden

    def has_field(self, kind: Kind, version: str, path: str) -> bool | None:
        assert (kind, version) == (ROUTE, "v1alpha1")
        return None if self.schema is None else knows(self.schema, path)

    def plus(self, *manifests: Manifest) -> Around:
        """The same with these objects, in the place of others of their names."""
        return replace(self, objects={**self.objects, **{_ref(one): one for one in manifests}})

    def without(self, kind: Kind, name: str) -> Around:
        """The same without objects of that kind and name."""
        kept = {ref: one for ref, one in self.objects.items() if (ref.kind, ref.name) != (kind, name)}
        return replace(self, objects=kept)


def _ref(manifest: Manifest) -> ObjectRef:
    group, _, _ = str(manifest["apiVersion"]).rpartition("/")
    meta = manifest["metadata"]
    return ObjectRef(Kind(group, manifest["kind"]), meta.get("namespace", ""), meta["name"])


def namespace(name: str, labels: Mapping[str, str]) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def mesh(mode: str = "", name: str = "default") -> Json:
    spec = {"meshServices": {"mode": mode}} if mode else {}
    return {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh", "metadata": {"name": name}, "spec": spec}


def deployment(name: str = "checkout", **metadata: Any) -> Json:
    spec = {"template": {"metadata": metadata, "spec": {}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


def service(app_protocol: str = "http", **annotations: str) -> Json:
    port: Json = {"name": "http", "port": 8080, **({"appProtocol": app_protocol} if app_protocol else {})}
    meta = {"name": "checkout", "namespace": "shop", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [port]}}


def installed(mode: str = "", schema: Json | None = KUMA_2_14) -> Around:
    """A cluster in which all is as it should be, with a Mesh in that mode."""
    shop = namespace("shop", {"kuma.io/sidecar-injection": "enabled"})
    system = namespace("kuma-system", {"kuma.io/system-namespace": "true"})
    return Around(schema=schema).plus(shop, system, mesh(mode), deployment(), service())
