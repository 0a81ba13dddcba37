"""What meshes make of the Gateway API's routes of Services (MESHES sections 0, 2 and 4): Linkerd, and Istio for GAMMA.

Knows the fields that split and match requests; an object with others is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canary.errors import ConfigError
from canary.ports import SERVICE
from canary.sandbox import gamma_answers
from canary.sandbox.gamma_matches import Ordered, matches_of
from canary.sandbox.kinds import GRPC_ROUTE, HTTP_ROUTE, SERVICE_PROFILE
from canary.sandbox.route_fields import duration, only
from canary.sandbox.routing_istio import RETRY_ON
from canary.sandbox.rules import Apex, Backend, Ports, Retries, Routing, Rule
from meshes.contract import Manifest

_RULE_KEYS = frozenset({"name", "matches", "backendRefs", "timeouts"})
_BACKEND_KEYS = frozenset({"group", "kind", "name", "namespace", "port", "weight"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Where the meshes differ.

    `groups` are how a parent's and a backend's group may be written. `alone_takes_all`: a single backend of weight 0
    gets every request (else nobody, so 500). `to_parent`: a rule without backends means the parent (else 404).
    `crashes`: two weights of 0 bring down the client's proxy (else 500).
    """

    groups: tuple[str, ...]
    alone_takes_all: bool
    to_parent: bool
    crashes: bool


LINKERD_DIALECT = Dialect(groups=("", "core"), alone_takes_all=True, to_parent=True, crashes=True)
ISTIO_DIALECT = Dialect(groups=("",), alone_takes_all=False, to_parent=False, crashes=False)


def hangs_on(dialect: Dialect, parent: Mapping[str, Any], apex: Apex) -> bool:
    """Return whether a parentRef of an object in the apex's namespace is the apex, at this port or at all."""
    return (
        parent.get("group", "gateway.networking.k8s.io") in dialect.groups
        and parent.get("kind", "Gateway") == "Service"
        and parent["name"] == apex.service
        and parent.get("namespace", apex.namespace) == apex.namespace
        and parent.get("port", apex.port) == apex.port
    )


def _rules(dialect: Dialect, apex: Apex, objects: Sequence[Manifest]) -> tuple[Rule, ...] | None:
    """Read all routes of the apex: GRPCRoutes alone where there are any; the most specific match first."""
    own = [
        found
        for found in objects
        if found["kind"] in (HTTP_ROUTE.kind, GRPC_ROUTE.kind)
        and found["metadata"].get("namespace", "default") == apex.namespace
        and any(hangs_on(dialect, parent, apex) for parent in found["spec"].get("parentRefs", ()))
    ]
    grpc = [found for found in own if found["kind"] == GRPC_ROUTE.kind]
    routes = sorted(grpc or own, key=_age)
    if not routes:
        return None
    rules = [rule for route in routes for rule in _of_route(dialect, apex, route)]
    return tuple(rule for _, rule in sorted(rules, key=lambda found: found[0]))


def _age(manifest: Manifest) -> tuple[str, str, str]:
    meta = manifest["metadata"]
    return meta.get("creationTimestamp", ""), meta.get("namespace", ""), meta["name"]


def _of_route(dialect: Dialect, apex: Apex, route: Manifest) -> Iterator[tuple[Ordered, Rule]]:
    meta = route["metadata"]
    for number, entry in enumerate(route["spec"].get("rules", ())):
        where = f"{route['kind']} {meta.get('namespace', 'default')}/{meta['name']} rules[{number}]"
        only(entry, _RULE_KEYS, where)
        timeouts = entry.get("timeouts", {})
        only(timeouts, frozenset({"request"}), f"{where}.timeouts")
        to = _destination(dialect, apex, entry.get("backendRefs", ()), where)
        timeout = duration(timeouts["request"], where) if "request" in timeouts else None
        for order, match in matches_of(entry, where, grpc=route["kind"] == GRPC_ROUTE.kind):
            yield order, Rule(matches=match, timeout=timeout, missing=500, **to)


def _destination(dialect: Dialect, apex: Apex, refs: Sequence[Mapping[str, Any]], where: str) -> dict[str, Any]:
    """Return the backends or the answer of a rule. An omitted weight is 1; weight 0 beside others gets nothing."""
    itself = (Backend(namespace=apex.namespace, service=apex.service, port=apex.port),)
    if not refs:
        return {"backends": itself} if dialect.to_parent else {"backends": (), "answer": 404}
    backends = [_backend(dialect, apex, ref, where) for ref in refs]
    weights = [int(ref.get("weight", 1)) for ref in refs]
    if min(weights) < 0 or max(weights) > 1_000_000:
        raise ConfigError(f"{where}: weights {weights}: the CRD takes 0 to 1000000")
    if len(backends) == 1 and not weights[0] and dialect.alone_takes_all:
        return {"backends": tuple(backends)}
    if not sum(weights):
        if dialect.crashes:
            raise ConfigError(f"{where}: weights {weights}: the client's proxy cannot build a distribution of them")
        return {"backends": (), "answer": 500}
    taken = [
        Backend(namespace=one.namespace, service=one.service, port=one.port, weight=weight)
        for one, weight in zip(backends, weights, strict=True)
        if weight
    ]
    return {"backends": tuple(taken) if len(refs) > 1 else tuple(backends)}


def _backend(dialect: Dialect, apex: Apex, ref: Mapping[str, Any], where: str) -> Backend:
    only(ref, _BACKEND_KEYS, f"{where}.backendRefs")
    if ref.get("group", "") not in dialect.groups or ref.get("kind", "Service") != "Service":
        raise ConfigError(f"{where}: a backend of kind {ref.get('group')}/{ref.get('kind')} is no Service")
    if "port" not in ref:
        raise ConfigError(f"{where}: the backend {ref['name']} has no port, which a Service needs")
    return Backend(namespace=ref.get("namespace", apex.namespace), service=ref["name"], port=int(ref["port"]))


def _linkerd(apex: Apex, objects: Sequence[Manifest], ports: Ports) -> tuple[Rule, ...] | None:
    """Read the routes, unless a ServiceProfile overrides them, or the port is opaque or of HTTP/1 alone."""
    speaks = _linkerd_protocol(apex, objects)
    if speaks not in ("", "http", "kubernetes.io/h2c"):
        return None
    if speaks == "http":
        objects = [found for found in objects if found["kind"] != GRPC_ROUTE.kind]
    for found in objects:
        of_apex = found["kind"] == SERVICE_PROFILE.kind and found["metadata"]["name"] == apex.host
        if of_apex and any(found.get("spec", {}).get(field) for field in ("routes", "dstOverrides")):
            return None
    return _rules(LINKERD_DIALECT, apex, objects)


def _linkerd_protocol(apex: Apex, objects: Sequence[Manifest]) -> str:
    """Return the appProtocol of the apex's port, "" for none, and "opaque" for one that the annotation lists."""
    for found in objects:
        meta = found["metadata"]
        if found["kind"] != SERVICE.kind or (meta.get("namespace"), meta["name"]) != (apex.namespace, apex.service):
            continue
        port = next(port for port in found["spec"]["ports"] if port["port"] == apex.port)
        listed = meta.get("annotations", {}).get("config.linkerd.io/opaque-ports", "").split(",")
        opaque = "opaque" if str(apex.port) in listed else ""
        return str(port.get("appProtocol") or opaque)
    return ""


def _istio(apex: Apex, objects: Sequence[Manifest], ports: Ports) -> tuple[Rule, ...] | None:
    return _rules(ISTIO_DIALECT, apex, objects)


LINKERD = Routing(
    kinds=(HTTP_ROUTE, GRPC_ROUTE, SERVICE_PROFILE, SERVICE),
    retries=Retries(attempts=0, on=""),
    rules=_linkerd,
    detects=True,
    answer=gamma_answers.linkerd,
)
"""Linkerd; without annotations it retries nothing."""

ISTIO_GAMMA = Routing(
    kinds=(HTTP_ROUTE, GRPC_ROUTE),
    retries=Retries(attempts=2, on=RETRY_ON),
    rules=_istio,
    answer=gamma_answers.istio,
)
"""Istio with routes of the Gateway API."""
