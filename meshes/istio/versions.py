"""Which version of the VirtualService API is spoken. All three have the same schema."""

from __future__ import annotations

from meshes.contract import Manifest, ObjectRef, Route, RouteError

GROUP = "networking.istio.io"
VERSIONS = ("v1", "v1beta1", "v1alpha3")
"""The versions that the adapter knows, best first: v1 is served since Istio 1.22, the others still are in 1.30."""


def api_version(route: Route, live: Manifest | None, ref: ObjectRef) -> str:
    """Return the apiVersion to write: that of the live object, else the best that the cluster serves.

    Raises RouteError, `MeshNotInstalled` when none is served and `UnknownVersion` for a live object of another API.
    """
    known = tuple(f"{GROUP}/{version}" for version in VERSIONS)
    served = next((f"{GROUP}/{version}" for version in VERSIONS if version in route.served), None)
    if served is None:
        found = f"serves only {', '.join(route.served)} of it" if route.served else "does not know it"
        raise RouteError(
            "MeshNotInstalled",
            f"{ref} cannot be written: the cluster {found}, and one of {', '.join(VERSIONS)} is needed. Install "
            "Istio's CRDs, or choose another mesh with the annotation canary.delivery/mesh.",
        )
    version = served if live is None else live.get("apiVersion", served)
    if version not in known:
        raise RouteError(
            "UnknownVersion",
            f"{ref} is of the version {version!r}, and this adapter knows {', '.join(known)}: write it in one of them.",
        )
    return str(version)
