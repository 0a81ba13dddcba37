"""What Kuma's sidecars make of MeshHTTPRoutes, in each form that its releases know (MESHES sections 0 and 3).

Services stand for the MeshServices that Kuma generates from them. Knows the fields that split and match HTTP requests;
an object with others is an error. The clients are of no namespace of their own: routes for some clients only are not
theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canary.errors import ConfigError
from canary.ports import NAMESPACE, SERVICE
from canary.sandbox.kinds import MESH, MESH_HTTP_ROUTE
from canary.sandbox.rules import Apex, Backend, How, Match, Ports, Retries, Routing, Rule, Text
from meshes.contract import Kind, Manifest

RETRY_ON = "gateway-error,connect-failure,refused-stream,cancelled,resource-exhausted,unavailable"
"""The conditions of the MeshRetry that Kuma makes for every mesh; the last three are of gRPC alone."""

SYSTEM = "kuma.io/system-namespace"
SPLIT = ("http", "http2", "grpc")
_TYPES = {"Exact": How.EXACT, "PathPrefix": How.PREFIX, "Prefix": How.PREFIX, "RegularExpression": How.REGEX}
_PATH_RANK = {How.EXACT: 0, How.PREFIX: 1, How.REGEX: 2}
_DISPLAY_NAME, _NAMESPACE_LABEL = "kuma.io/display-name", "k8s.kuma.io/namespace"


@dataclass(frozen=True, slots=True)
class _Port:
    """A port of a Service as Kuma's references name it."""

    namespace: str
    service: str
    number: int
    name: str
    http: bool


@dataclass(slots=True)
class _World:
    """What of the cluster's objects matters, sorted."""

    ports: list[_Port] = field(default_factory=list)
    routes: list[Manifest] = field(default_factory=list)
    meshes: dict[str, Manifest] = field(default_factory=dict)
    namespaces: dict[str, Manifest] = field(default_factory=dict)

    def mesh_of(self, namespace: str) -> str:
        """Return the mesh of a namespace's workloads."""
        return _mesh(self.namespaces.get(namespace, {"metadata": {}}))

    def mode(self, mesh: str) -> str:
        """Return whether MeshServices are made: `Disabled` unless the Mesh says otherwise."""
        return str(self.meshes.get(mesh, {}).get("spec", {}).get("meshServices", {}).get("mode", "Disabled"))

    def is_system(self, namespace: str) -> bool:
        """Return whether it is the namespace of Kuma itself."""
        meta: Mapping[str, Any] = self.namespaces.get(namespace, {}).get("metadata", {})
        return bool(meta.get("labels", {}).get(SYSTEM) == "true")


def _rules(apex: Apex, objects: Sequence[Manifest], ports: Ports) -> tuple[Rule, ...] | None:
    """Merge the rules of all routes for the apex, the most special first; what no rule takes goes to the apex."""
    world = _sorted(objects)
    mesh = world.mesh_of(apex.namespace)
    own = next((p for p in world.ports if (p.namespace, p.service, p.number) == _key(apex)), None)
    if own is None or not own.http:
        return None
    found = [rule for route in world.routes if _mesh(route) == mesh for rule in _of_route(world, own, route)]
    itself = Rule(backends=(Backend(namespace=apex.namespace, service=apex.service, port=apex.port),))
    # An entry with several matches is several rules to Kuma, each as special as its match.
    single = [Rule(matches=(one,), backends=rule.backends) for rule in found for one in rule.matches]
    return (*sorted(single, key=lambda rule: _rank(rule.matches[0])), itself)


def _key(apex: Apex) -> tuple[str, str, int]:
    return apex.namespace, apex.service, apex.port


def _sorted(objects: Sequence[Manifest]) -> _World:
    world = _World()
    for one in sorted(objects, key=lambda each: (each["metadata"].get("namespace", ""), each["metadata"]["name"])):
        kind, name = one["kind"], one["metadata"]["name"]
        if kind == SERVICE.kind:
            world.ports += [_port(one, port) for port in one["spec"].get("ports", ())]
        elif kind == MESH.kind:
            world.meshes[name] = one
        elif kind == NAMESPACE.kind:
            world.namespaces[name] = one
        else:
            world.routes.append(one)
    return world


def _port(service: Manifest, port: Mapping[str, Any]) -> _Port:
    meta = service["metadata"]
    told = str(port.get("appProtocol", "")).lower()
    annotated = meta.get("annotations", {}).get(f"{port['port']}.service.kuma.io/protocol", "")
    number = int(port["port"])
    return _Port(
        meta["namespace"], meta["name"], number, port.get("name", "") or str(number), (told or annotated) in SPLIT
    )


def _mesh(manifest: Manifest) -> str:
    meta = manifest["metadata"]
    key = "kuma.io/mesh"
    return str(meta.get("labels", {}).get(key) or meta.get("annotations", {}).get(key) or "default")


def _of_route(world: _World, apex: _Port, route: Manifest) -> Iterator[Rule]:
    home, spec = route["metadata"]["namespace"], route["spec"]
    if not world.is_system(home) and home != apex.namespace:
        return  # a consumer's: for the clients of that namespace
    if spec.get("targetRef", {"kind": "Mesh"}) != {"kind": "Mesh"}:
        return
    where = f"MeshHTTPRoute {home}/{route['metadata']['name']}"
    for entry in spec.get("to", ()):
        if apex not in _meant(world, entry["targetRef"], route, tag=_is_tag(entry["targetRef"], world, home)):
            continue
        for rule in entry.get("rules", ()):
            _only(rule, ("matches", "default"), f"{where} rules")
            _only(rule["default"], ("backendRefs",), f"{where} default")
            backends = _backends(world, apex, rule["default"].get("backendRefs", ()), route)
            if backends:
                matches = tuple(part for match in rule["matches"] for part in _matches(match, where))
                yield Rule(matches=matches, backends=backends)


def _backends(world: _World, apex: _Port, refs: Sequence[Mapping[str, Any]], route: Manifest) -> tuple[Backend, ...]:
    """Return where a rule sends to; empty for a rule that Kuma leaves out.

    Without backends it is the parent. Dropped are weight 0, Services that do not exist, and ports that speak no HTTP.
    """
    if not refs:
        return (Backend(namespace=apex.namespace, service=apex.service, port=apex.number),)
    found = (
        (port, int(ref.get("weight", 1)))
        for ref in refs
        # Without a port or section it is taken for a tag, whatever its name looks like.
        for port in _meant(world, ref, route, tag="port" not in ref and "sectionName" not in ref)
    )
    return tuple(
        Backend(namespace=port.namespace, service=port.service, port=port.number, weight=weight)
        for port, weight in found
        if weight and port.http
    )


def _meant(world: _World, ref: Mapping[str, Any], route: Manifest, *, tag: bool) -> list[_Port]:
    """Return the ports that a reference means; `tag` says whether its name is a service tag."""
    if ref.get("kind") != "MeshService":
        raise ConfigError(f"MeshHTTPRoute {route['metadata']['name']}: the sandbox does not know {ref.get('kind')}")
    mode, home = world.mode(_mesh(route)), route["metadata"]["namespace"]
    labels = ref.get("labels")
    if labels:
        wanted = (labels.get(_NAMESPACE_LABEL, home), labels.get(_DISPLAY_NAME))
    elif tag:
        if mode == "Exclusive":
            return []
        return [p for p in world.ports if ref.get("name") == f"{p.service}_{p.namespace}_svc_{p.number}"]
    elif mode == "Disabled":
        return []
    else:
        wanted = (ref.get("namespace", home), ref.get("name"))
    return [
        port
        for port in world.ports
        if (port.namespace, port.service) == wanted
        and ref.get("port", port.number) == port.number
        and ref.get("sectionName", port.name) in (port.name, str(port.number))
    ]


def _is_tag(ref: Mapping[str, Any], world: _World, home: str) -> bool:
    """Return whether the name of a parent is a service tag: without a namespace, in the namespace of Kuma itself."""
    return "namespace" not in ref and "sectionName" not in ref and world.is_system(home)


def _matches(match: Mapping[str, Any], where: str) -> Iterator[Match]:
    """Return what a match is to a proxy: a path prefix ends at a slash, so it is two."""
    _only(match, ("path", "headers"), f"{where} matches")
    headers = {one["name"]: Text(_TYPES[one.get("type", "Exact")], one["value"]) for one in match.get("headers", ())}
    path = match.get("path")
    if path is None:
        yield Match(headers=headers)
    elif path["type"] == "PathPrefix" and path["value"] != "/":
        bare = path["value"].rstrip("/")
        yield Match(path=Text(How.EXACT, bare), headers=headers)
        yield Match(path=Text(How.PREFIX, f"{bare}/"), headers=headers)
    else:
        yield Match(path=Text(_TYPES[path["type"]], path["value"]), headers=headers)


def _rank(match: Match) -> tuple[int, int, int]:
    """Return the place of a match among others: an exact path, then the longest prefix, then the most headers."""
    path = match.path or Text(How.PREFIX, "/")
    return _PATH_RANK[path.how], -len(path.value), -len(match.headers)


def _only(entry: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    unknown = sorted(set(entry) - set(known))
    if unknown:
        raise ConfigError(f"{where}: the sandbox does not know {', '.join(unknown)}; take it out of the object")


KINDS: tuple[Kind, ...] = (MESH_HTTP_ROUTE, MESH, SERVICE, NAMESPACE)

INSTALLED: tuple[Manifest, ...] = (
    {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "kuma-system", "labels": {SYSTEM: "true"}},
    },
    {"apiVersion": "kuma.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "default"}, "spec": {}},
)
"""What is there once Kuma is installed."""

KUMA = Routing(
    kinds=KINDS,
    retries=Retries(attempts=5, on=RETRY_ON),
    rules=_rules,
    installed=INSTALLED,
    joined={"kuma.io/sidecar-injection": "enabled"},
)
"""Kuma with sidecars."""
