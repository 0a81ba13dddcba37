"""What Istio's sidecars make of VirtualServices (MESHES sections 0 and 1).

Knows the fields that split and match HTTP requests; an object with others is an error. DestinationRules are not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from canary.errors import ConfigError
from canary.sandbox.kinds import VIRTUAL_SERVICE
from canary.sandbox.route_fields import duration, only
from canary.sandbox.rules import Apex, Backend, How, Match, Ports, Retries, Routing, Rule, Text
from meshes.contract import Manifest

RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled"
"""Istio's own retry conditions since 1.24."""


def _rules(apex: Apex, objects: Sequence[Manifest], ports: Ports) -> tuple[Rule, ...] | None:
    """Read the VirtualService that wins for the apex: an exact host before a wildcard, then the oldest."""
    owners = [(rank, _age(found), found) for found in objects if (rank := _rank(found, apex)) is not None]
    if not owners:
        return None
    _, _, winner = min(owners, key=lambda owner: owner[:2])
    routes = winner["spec"].get("http", ())
    if not routes:
        return None
    rules = [_rule(apex, winner, number, ports) for number in range(len(routes))]
    return tuple(rule for rule in rules if rule is not None)


def _age(manifest: Manifest) -> tuple[str, str, str]:
    meta = manifest["metadata"]
    return meta.get("creationTimestamp", ""), meta["name"], meta.get("namespace", "")


def _rank(virtual_service: Manifest, apex: Apex) -> int | None:
    """Return how well the object's hosts fit (0 exactly, higher is less specific), None when they do not."""
    spec = virtual_service["spec"]
    if "mesh" not in spec.get("gateways", ["mesh"]):
        return None
    namespace = virtual_service["metadata"].get("namespace", "default")
    fits = [_host_rank(_full_host(host, namespace), apex.host) for host in spec.get("hosts", ())]
    return min((rank for rank in fits if rank is not None), default=None)


def _full_host(host: str, namespace: str) -> str:
    """Return the host in full: Istio completes a name without a dot by the namespace of the object it stands in."""
    return host if "." in host or "*" in host else f"{host}.{namespace}.svc.cluster.local"


def _host_rank(host: str, wanted: str) -> int | None:
    if host == wanted:
        return 0
    if host.startswith("*") and wanted.endswith(host[1:]):
        return 1000 - len(host)
    return None


_ROUTE_KEYS = frozenset({"name", "match", "route", "retries", "timeout"})
_MATCH_KEYS = frozenset({"name", "uri", "headers", "port", "gateways"})


def _rule(apex: Apex, virtual_service: Manifest, number: int, ports: Ports) -> Rule | None:
    """Return one entry of `http`, None when none of its matches can hold for a client in the mesh at this port."""
    meta = virtual_service["metadata"]
    entry = virtual_service["spec"]["http"][number]
    where = f"VirtualService {meta.get('namespace', 'default')}/{meta['name']} http[{number}]"
    only(entry, _ROUTE_KEYS, where)
    matches = entry.get("match", ())
    for match in matches:
        only(match, _MATCH_KEYS, f"{where}.match")
    holding = [one for one in matches if one.get("port", apex.port) == apex.port and _in_mesh(one)]
    if matches and not holding:
        return None
    return Rule(
        matches=tuple(_match(match) for match in holding),
        backends=_backends(apex, entry.get("route", ()), where, meta.get("namespace", "default"), ports),
        retries=_retries(entry.get("retries"), where),
        timeout=duration(entry["timeout"], where) if "timeout" in entry else None,
    )


def _in_mesh(match: Mapping[str, Any]) -> bool:
    return "mesh" in match.get("gateways", ["mesh"])


def _match(match: Mapping[str, Any]) -> Match:
    return Match(
        path=_text(match["uri"]) if "uri" in match else None,
        headers={name.lower(): _text(value) for name, value in match.get("headers", {}).items()},
    )


def _text(match: Mapping[str, str]) -> Text:
    (how, value) = next(iter(match.items()))
    return Text(How(how), value)


def _backends(
    apex: Apex, destinations: Sequence[Mapping[str, Any]], where: str, namespace: str, ports: Ports
) -> tuple[Backend, ...]:
    """Omitted weight is 0; a single destination gets all whatever its weight; weight 0 beside others is dropped."""
    weights = [1] if len(destinations) == 1 else [int(one.get("weight", 0)) for one in destinations]
    if sum(weights) <= 0 or min(weights) < 0:
        raise ConfigError(f"{where}: weights {weights}: Istio refuses negative weights and a sum of 0")
    backends = []
    for route, weight in zip(destinations, weights, strict=True):
        only(route, frozenset({"destination", "weight"}), f"{where}.route")
        destination = route["destination"]
        only(destination, frozenset({"host", "port"}), f"{where}.route.destination")
        service, home = _service(_full_host(destination["host"], namespace))
        port = destination.get("port", {}).get("number") or _only_port(ports(home, service), apex.port)
        if weight:
            backends.append(Backend(namespace=home, service=service, port=int(port), weight=weight))
    return tuple(backends)


def _service(host: str) -> tuple[str, str]:
    """Return (service, namespace) of a full host; one outside the cluster has no Service and stays whole."""
    found = re.fullmatch(r"([^.]+)\.([^.]+)\.svc\.cluster\.local", host)
    return (found[1], found[2]) if found else (host, "")


def _only_port(ports: Sequence[int], called: int) -> int:
    """Return the port that a destination without one means: the Service's only port, else the one that was called."""
    return ports[0] if len(ports) == 1 else called


def _retries(retries: Mapping[str, Any] | None, where: str) -> Retries | None:
    if retries is None:
        return None
    only(retries, frozenset({"attempts", "retryOn"}), f"{where}.retries")
    return Retries(attempts=int(retries.get("attempts", 0)), on=retries.get("retryOn", RETRY_ON))


ISTIO = Routing(kinds=(VIRTUAL_SERVICE,), retries=Retries(attempts=2, on=RETRY_ON), rules=_rules)
"""Istio with sidecars."""
