"""What each mesh demands of Namespaces, pods and Services, so that their requests pass through it and are counted.

Facts are from the meshes' references: Istio, "Protocol Selection" and "Installing the Sidecar"; Linkerd, "Automatic
Proxy Injection" and "Protocol Detection"; Kuma, "Protocol support in Kuma" and "Data plane on Kubernetes".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from canary.lint.bundle import Bundle, Subject
from canary.lint.model import Document, Finding, Level, Path, map_at, maps_at, text_at
from canary.lint.rules_service import apex_of
from canary.lint.rules_workload import is_whole
from canary.rollout.model import Plan

_ISTIO_NAMES = ("http", "http2", "https", "grpc", "grpc-web")
_ISTIO_PROTOCOLS = ("http", "http2", "https", "grpc", "grpc-web", "kubernetes.io/h2c", "kubernetes.io/ws")
_KUMA_PROTOCOLS = ("http", "http2", "grpc")
_LINKERD_OPAQUE = ("linkerd.io/opaque", "linkerd.io/tcp")
_POD: Path = ("spec", "template", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """A label or annotation that puts pods into a mesh: where it stands, and its values; () takes any."""

    where: str
    key: str
    values: tuple[str, ...] = ()

    def stands(self, document: Document, path: Path) -> bool:
        found = map_at(document.manifest, *path, self.where).get(self.key)
        return found is not None and (not self.values or str(found) in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Demands:
    """How pods come into a mesh (`joins`, of the Namespace or of the pods), and how they are kept out (`leaves`)."""

    joins: tuple[_Mark, ...]
    leaves: tuple[_Mark, ...]
    only_namespace: bool = False


def _label(key: str, *values: str) -> _Mark:
    return _Mark(where="labels", key=key, values=values)


def _annotation(key: str, *values: str) -> _Mark:
    return _Mark(where="annotations", key=key, values=values)


_AMBIENT = _label("istio.io/dataplane-mode", "ambient")
_USE = _label("istio.io/use-waypoint")

_DEMANDS: Mapping[str, _Demands] = {
    "istio": _Demands(
        joins=(
            _label("istio-injection", "enabled"),
            _label("istio.io/rev"),
            _label("istio.io/dataplane-mode", "ambient"),
            _label("sidecar.istio.io/inject", "true"),
        ),
        leaves=(_label("sidecar.istio.io/inject", "false"), _annotation("sidecar.istio.io/inject", "false")),
    ),
    "linkerd": _Demands(
        joins=(_annotation("linkerd.io/inject", "enabled", "ingress"),),
        leaves=(_annotation("linkerd.io/inject", "disabled"),),
    ),
    "kuma": _Demands(
        joins=(_label("kuma.io/sidecar-injection", "enabled", "true"),),
        leaves=(
            _label("kuma.io/sidecar-injection", "disabled", "false"),
            _annotation("kuma.io/sidecar-injection", "disabled", "false"),
        ),
        only_namespace=True,
    ),
}


def injection(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Pods that the mesh is told to leave alone, and a Namespace that does not bring them in."""
    plan, deployment = subject.plan, subject.deployment
    demands = _DEMANDS.get(plan.mesh) if plan is not None else None
    if plan is None or deployment is None or demands is None:
        return
    for mark in demands.leaves:
        if mark.stands(deployment, _POD):
            yield Finding(
                place=deployment.at(*_POD, mark.where, mark.key),
                rule="not-in-mesh",
                found=f"{mark.key}: {map_at(deployment.manifest, *_POD, mark.where)[mark.key]}",
                allowed=f"pods that are in the mesh {plan.mesh}: it splits and counts only their requests",
                remedy="take it out, or name another mesh with canary.delivery/mesh",
            )
            return
    namespace = bundle.named("Namespace", deployment.namespace, deployment) if deployment.namespace else None
    of_pods = not demands.only_namespace and any(mark.stands(deployment, _POD) for mark in demands.joins)
    if namespace is None or of_pods or any(mark.stands(namespace, ("metadata",)) for mark in demands.joins):
        return
    first = demands.joins[0]
    yield Finding(
        place=namespace.at("metadata"),
        rule="namespace-not-in-mesh",
        found=f"no {first.where.removesuffix('s')} that brings its pods into the mesh {plan.mesh}",
        allowed=" or ".join(f"{mark.key}: {mark.values[0] if mark.values else 'REVISION'}" for mark in demands.joins),
        remedy=f"add the {first.where.removesuffix('s')} {first.key}: {first.values[0]}",
        level=Level.WARNING,
    )


def port_protocol(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A port of the apex that the mesh does not take for HTTP: it splits connections then, or nothing."""
    service, plan = apex_of(subject, bundle), subject.plan
    demand = _PORTS.get(plan.mesh) if plan is not None else None
    if service is None or plan is None or demand is None:
        return
    for at, port in _split_ports(service, plan):
        path: Path = ("spec", "ports", at)
        yield from demand(service, path, (text_at(port, "name"), text_at(port, "appProtocol")))


def _split_ports(service: Document, plan: Plan) -> list[tuple[int, Mapping[str, object]]]:
    """Return the port that the split is about; all where that is not told."""
    ports = maps_at(service.manifest, "spec", "ports")
    asked = plan.service.port
    named = [(at, port) for at, port in ports if str(asked) in (str(port.get("port")), port.get("name"))]
    return named if asked is not None else ports[:1] if len(ports) == 1 else []


def _istio_port(service: Document, path: Path, told: tuple[str, str]) -> Iterator[Finding]:
    name, protocol = told
    if protocol.lower() in _ISTIO_PROTOCOLS or name.split("-")[0].lower() in _ISTIO_NAMES:
        return
    key = "appProtocol" if protocol else "name"
    yield Finding(
        place=service.at(*path, key),
        rule="port-protocol",
        found=protocol or name or "a port without a name",
        allowed="a name that is or begins with http-, http2- or grpc-, or an appProtocol of these",
        remedy="name the port http, or set appProtocol: http; else Istio guesses, and may find no requests to count",
        level=Level.FAULT
        if protocol or name.split("-")[0] in ("tcp", "tls", "mongo", "mysql", "redis")
        else Level.WARNING,
    )


def _kuma_port(service: Document, path: Path, told: tuple[str, str]) -> Iterator[Finding]:
    number = map_at(service.manifest, "metadata", "annotations")
    legacy = any(str(key).endswith(".service.kuma.io/protocol") for key in number)
    if told[1].lower() in _KUMA_PROTOCOLS or legacy:
        return
    yield Finding(
        place=service.at(*path, "appProtocol"),
        rule="port-protocol",
        found=told[1],
        allowed=", ".join(_KUMA_PROTOCOLS),
        remedy="set appProtocol: http on the port; Kuma silently drops other backends from a split",
    )


def _linkerd_port(service: Document, path: Path, told: tuple[str, str]) -> Iterator[Finding]:
    if told[1].lower() in _LINKERD_OPAQUE:
        yield Finding(
            place=service.at(*path, "appProtocol"),
            rule="port-protocol",
            found=told[1],
            allowed="http, kubernetes.io/h2c, or none: Linkerd then looks at the first bytes",
            remedy="take it out; an opaque port has no requests that could be split or counted",
        )


_PORTS: Mapping[str, Callable[[Document, Path, tuple[str, str]], Iterator[Finding]]] = {
    "istio": _istio_port,
    "kuma": _kuma_port,
    "linkerd": _linkerd_port,
}


def opaque_ports(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Ports that Linkerd is told not to look into."""
    plan, deployment = subject.plan, subject.deployment
    if plan is None or deployment is None or plan.mesh != "linkerd" or not is_whole(deployment):
        return
    service = apex_of(subject, bundle)
    numbers = _container_ports(deployment) | (
        {str(port.get("port")) for _, port in _split_ports(service, plan)} if service else set()
    )
    for document, path in ((deployment, _POD), (service, ("metadata",))):
        for key in ("config.linkerd.io/opaque-ports", "config.linkerd.io/skip-inbound-ports"):
            value = str(map_at(document.manifest, *path, "annotations").get(key, "")) if document else ""
            if document is not None and {part.strip() for part in value.split(",")} & numbers:
                yield Finding(
                    place=document.at(*path, "annotations", key),
                    rule="opaque-port",
                    found=value,
                    allowed="ports other than the one that is split",
                    remedy="take the port out: its requests are neither split nor counted",
                )


def _container_ports(deployment: Document) -> set[str]:
    containers = maps_at(deployment.manifest, "spec", "template", "spec", "containers")
    return {str(port.get("containerPort")) for _, one in containers for _, port in maps_at(one, "ports")}


def waypoint(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Pods in Istio's ambient mode whose Service has no waypoint: nothing reads its routes or counts its requests."""
    service, deployment = apex_of(subject, bundle), subject.deployment
    plan = subject.plan
    if plan is None or service is None or deployment is None or plan.mesh not in ("istio", "gateway-api"):
        return
    namespace = bundle.named("Namespace", deployment.namespace, deployment) if deployment.namespace else None
    ambient = _AMBIENT.stands(deployment, _POD) or (namespace and _AMBIENT.stands(namespace, ("metadata",)))
    places = [document for document in (service, namespace) if document and _USE.stands(document, ("metadata",))]
    named = str(map_at(places[0].manifest, "metadata", "labels")[_USE.key]) if places else ""
    if ambient and named in ("", "none"):
        yield Finding(
            place=(places[0] if places else service).at("metadata", "labels", _USE.key),
            rule="no-waypoint",
            found=named,
            allowed="the name of a waypoint, at the Service or its Namespace",
            remedy=f"add the label {_USE.key} with its name: without one Istio splits and counts no requests",
            level=Level.WARNING,
        )


RULES = (injection, port_protocol, opaque_ports, waypoint)
