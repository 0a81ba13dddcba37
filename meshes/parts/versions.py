"""Which version of a route's API is spoken."""

from __future__ import annotations

from collections.abc import Sequence

from meshes.contract import Manifest, ObjectRef, Route, RouteError


def api_version(route: Route, live: Manifest | None, ref: ObjectRef, versions: Sequence[str], *, remedy: str) -> str:
    """Return the apiVersion to write: that of the live object, else the best that the cluster serves.

    `versions` are those that the adapter knows, best first; `remedy` says what to do when none of them is served.
    Raises RouteError, `MeshNotInstalled` when none is served and `UnknownVersion` for a live object of another API.
    """
    group = ref.kind.group
    known = tuple(f"{group}/{version}" for version in versions)
    served = next((f"{group}/{version}" for version in versions if version in route.served), None)
    if served is None:
        found = f"serves only {', '.join(route.served)} of it" if route.served else "does not know it"
        raise RouteError(
            "MeshNotInstalled",
            f"{ref} cannot be written: the cluster {found}, and one of {', '.join(versions)} is needed. {remedy}",
        )
    version = served if live is None else live.get("apiVersion", served)
    if version not in known:
        raise RouteError(
            "UnknownVersion",
            f"{ref} is of the version {version!r}, and this adapter knows {', '.join(known)}: write it in one of them.",
        )
    return str(version)
