"""What a mesh's control plane knows: endpoints and rules for every Service's port, read from a cluster's objects alone.

Pure but for the cluster's cache. How a proxy is told is not its job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from canary.errors import ConfigError
from canary.ports import ENDPOINT_SLICE, SERVICE, Cluster
from canary.sandbox.processes import Address
from canary.sandbox.routing import apex_ports, rules_for
from canary.sandbox.rules import Apex, Routing, Rule
from meshes.contract import Kind, Manifest, ObjectRef

Resolve = Callable[[str], Address | None]
"""Where the pod with that IP really listens, None when there is none."""

NOWHERE: Address = ("127.0.0.1", 1)
"""An address that refuses connections, as the IP of a pod that has gone does."""

Rules = Mapping[str, tuple[Rule, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """All that the proxies are told, by `port_key`. `faults` says which route objects were not taken, and why."""

    endpoints: Mapping[str, tuple[Address, ...]]
    rules: Rules
    faults: tuple[str, ...]


def port_key(namespace: str, service: str, port: int) -> str:
    """Return the one name of a Service's port, legal in Envoy's names and statistics."""
    return f"{namespace}_{service}_{port}"


def kinds(mesh: Routing) -> frozenset[Kind]:
    """Return the kinds whose changes change what is discovered."""
    return frozenset({SERVICE, ENDPOINT_SLICE, *mesh.kinds})


def discover(cluster: Cluster, mesh: Routing, resolve: Resolve, before: Rules) -> Discovered:
    """Return what the proxies are to know now. A port whose route objects are faulty keeps its rules of `before`."""
    endpoints: dict[str, tuple[Address, ...]] = {}
    rules: dict[str, tuple[Rule, ...]] = {}
    faults: list[str] = []
    objects = [found for kind in mesh.kinds for found in cluster.list(kind)]

    def ports(namespace: str, service: str) -> tuple[int, ...]:
        found = cluster.get(ObjectRef(SERVICE, namespace, service))
        return tuple(apex.port for apex in apex_ports(found)) if found else ()

    for service in cluster.list(SERVICE):
        for apex, name in zip(apex_ports(service), _port_names(service), strict=True):
            key = port_key(apex.namespace, apex.service, apex.port)
            endpoints[key] = _endpoints(cluster, apex, name, resolve)
            try:
                rules[key] = rules_for(mesh, apex, objects, ports)
            except ConfigError as err:
                faults.append(str(err))
                rules[key] = before.get(key) or rules_for(mesh, apex, (), ports)
    return Discovered(endpoints=endpoints, rules=rules, faults=tuple(faults))


def _port_names(service: Manifest) -> list[str]:
    return [port.get("name", "") for port in service["spec"].get("ports", ())]


def _endpoints(cluster: Cluster, apex: Apex, port_name: str, resolve: Resolve) -> tuple[Address, ...]:
    """Return the real addresses of the ready endpoints; `ready` that is not said counts as ready (EndpointSlice v1)."""
    labels = {"kubernetes.io/service-name": apex.service}
    found = {
        resolve(ip) or NOWHERE
        for part in cluster.list(ENDPOINT_SLICE, apex.namespace, labels)
        if any((port.get("name") or "") == port_name for port in part.get("ports") or ())
        for endpoint in part.get("endpoints") or ()
        if endpoint.get("conditions", {}).get("ready", True)
        for ip in endpoint["addresses"]
    }
    return tuple(sorted(found))
