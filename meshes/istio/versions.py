"""Which version of the VirtualService API is spoken. All three have the same schema."""

from __future__ import annotations

from meshes.contract import Manifest, ObjectRef, Route
from meshes.parts import versions

GROUP = "networking.istio.io"
VERSIONS = ("v1", "v1beta1", "v1alpha3")
"""The versions that the adapter knows, best first: v1 is served since Istio 1.22, the others still are in 1.30."""

_REMEDY = "Install Istio's CRDs, or choose another mesh with the annotation canary.delivery/mesh."


def api_version(route: Route, live: Manifest | None, ref: ObjectRef) -> str:
    """Return the apiVersion to write, as `versions.api_version` does."""
    return versions.api_version(route, live, ref, VERSIONS, remedy=_REMEDY)
