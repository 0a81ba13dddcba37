"""What a host name in a VirtualService means: which Service it names, and which clients the object reaches.

Istio completes a name without dots with the namespace of the object that holds it; every other name it takes as it
is. People also write the half-long forms that DNS knows (`checkout.shop`, `checkout.shop.svc`), so these count too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from meshes.contract import ANY, Manifest, Route
from meshes.parts.document import items, table
from meshes.parts.ownership import identity_of

MESH = "mesh"
"""The gateway name that stands for all sidecars; a VirtualService without gateways is bound to it."""

# Multi-cluster Services live in a domain of their own: `NAME.NAMESPACE.svc.clusterset.local` is another host.
_OTHER_DOMAIN = "clusterset.local"
_USUAL_DOMAIN = "cluster.local"


def spells(host: object, service: str, namespace: str, *, home: str) -> bool:
    """Say whether `host`, written in an object of the namespace `home`, names the Service.

    The cluster's domain is not known here, so any counts but that of multi-cluster Services.
    """
    if not isinstance(host, str):
        return False
    if "." not in host:
        return host == service and home == namespace
    rest = host.removeprefix(f"{service}.{namespace}")
    if rest == host:
        return False
    return rest in ("", ".svc") or (rest.startswith(".svc.") and rest != f".svc.{_OTHER_DOMAIN}")


def covers(host: object, service: str, namespace: str, *, home: str) -> bool:
    """Say the same as `spells`, with a leading `*` in `host` standing for anything."""
    if not isinstance(host, str) or not host.startswith("*"):
        return spells(host, service, namespace, home=home)
    tail = host[1:]
    forms = (f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.{_USUAL_DOMAIN}")
    if any(f"{service}{form}".endswith(tail) for form in forms):
        return True
    other = tail.endswith(f".{_OTHER_DOMAIN}")
    return not other and tail.startswith((f".{namespace}.svc.", ".svc."))


def routed(manifest: Manifest) -> Collection[str]:
    """Return the names of the Services that `covers` may say yes to for one of the object's hosts, or ANY."""
    hosts = (host for host in items(table(manifest.get("spec")).get("hosts")) if isinstance(host, str))
    return {ANY if host.startswith("*") else host.partition(".")[0] for host in hosts}


def respell(host: str, service: str) -> str:
    """Return the name of another Service of the same namespace, written as long as `host` is."""
    _, dot, rest = host.partition(".")
    return f"{service}{dot}{rest}"


def in_mesh(spec: Mapping[str, Any]) -> bool:
    """Say whether the VirtualService is bound to the sidecars, not only to ingress gateways."""
    gateways = items(spec.get("gateways"))
    return not gateways or MESH in gateways


def reaches(spec: Mapping[str, Any], home: str, namespace: str) -> bool:
    """Say whether the VirtualService of `home` is exported to clients in `namespace`; without exportTo it is to all."""
    export = items(spec.get("exportTo"))
    return not export or "*" in export or namespace in export or ("." in export and home == namespace)


def claims(route: Route, virtual_service: Manifest) -> str:
    """Return the host by which a VirtualService takes the apex's requests from sidecars, "" when it does not."""
    spec, home = table(virtual_service.get("spec")), identity_of(virtual_service)[0]
    if not in_mesh(spec) or not reaches(spec, home, route.namespace):
        return ""
    claimed = (host for host in items(spec.get("hosts")) if covers(host, route.apex, route.namespace, home=home))
    return next(claimed, "")
