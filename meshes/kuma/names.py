"""The kinds, labels and annotations of Kuma, and the keys under which `resolve` notes in a route what it found out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from meshes.contract import Kind, Manifest, ObjectRef, Route
from meshes.parts.document import table

GROUP = "kuma.io"
VERSION = "v1alpha1"
MESH_HTTP_ROUTE = Kind(GROUP, "MeshHTTPRoute")
MESH_TCP_ROUTE = Kind(GROUP, "MeshTCPRoute")
TRAFFIC_ROUTE = Kind(GROUP, "TrafficRoute")
MESH = Kind(GROUP, "Mesh")

MESH_LABEL = "kuma.io/mesh"
ORIGIN = "kuma.io/origin"
INJECTION = "kuma.io/sidecar-injection"
DISPLAY_NAME = "kuma.io/display-name"
NAMESPACE_LABEL = "k8s.kuma.io/namespace"
SYSTEM_LABEL = "kuma.io/system-namespace"
SYSTEM_NAMESPACE = "kuma-system"
"""Where Kuma is installed unless told otherwise; its namespace carries `SYSTEM_LABEL`."""
DEFAULT_MESH = "default"
HOME = "canary.delivery/namespace"
"""The label of a route of ours in the system namespace: whose it is."""


class Form(StrEnum):
    """How a route names a Service: a `kuma.io/service` tag, a MeshService, or a MeshService's labels."""

    LEGACY = "legacy"
    MESHSERVICE = "meshservice"
    LABELS = "labels"


class Option(StrEnum):
    """The keys of `Route.options`. The first is the user's own setting too, `auto` or a form."""

    FORM = "kuma-form"
    MESH = "kuma-mesh"
    HOME = "kuma-home"
    SYSTEM = "kuma-system"
    REASON = "kuma-trouble-reason"
    TROUBLE = "kuma-trouble"
    UNSURE = "kuma-unsure"


def form_of(route: Route) -> Form:
    """Return the form that was found out; the oldest one for a route that was not resolved."""
    found = route.options.get(Option.FORM, "")
    return Form(found) if found in tuple(Form) else Form.LEGACY


def home_of(route: Route) -> str:
    """Return the namespace of the route object."""
    return route.options.get(Option.HOME, SYSTEM_NAMESPACE)


def mesh_of(route: Route) -> str:
    """Return the name of the Mesh that the workload is in."""
    return route.options.get(Option.MESH, DEFAULT_MESH)


def own_ref(route: Route, home: str) -> ObjectRef:
    """Return our route object in a namespace. In another than the apex's it bears that one's name too.

    Neither a Service's name nor a namespace's has a dot, so `NAME.NAMESPACE` means one Service only.
    """
    name = route.apex if home == route.namespace else f"{route.apex}.{route.namespace}"
    return ObjectRef(MESH_HTTP_ROUTE, home, name)


def noted_mesh(manifest: Manifest) -> str:
    """Return the mesh that an object says it belongs to, "" when it does not say; releases before 3.0 read both."""
    metadata = table(manifest.get("metadata"))
    for field in ("labels", "annotations"):
        found = table(metadata.get(field)).get(MESH_LABEL)
        if isinstance(found, str) and found:
            return found
    return ""


def label(manifest: Manifest, key: str) -> str:
    """Return a label, "" when it is not there."""
    labels: Mapping[str, object] = table(table(manifest.get("metadata")).get("labels"))
    return str(labels.get(key) or "")
