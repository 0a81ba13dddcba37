"""The Services around a canary: the apex, its port and protocol, and every other one that picks the target's pods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canary.controller.indexes import deployments_matching, pods_selected, services_selecting
from canary.controller.names import (
    canary_service_ref,
    is_ours,
    is_selected,
    labels_of,
    matches,
    primary_labels,
    template_labels,
)
from canary.controller.objects import apex_service
from canary.ports import SERVICE, Cluster
from canary.rollout.model import Fault, Plan
from canary.rollout.values import replace
from meshes.contract import AppProtocol, Manifest, Mesh, ObjectRef, declared

GRPC_PROTOCOLS = ("grpc", "kubernetes.io/h2c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The apex's port that the split is about. `protocol` is the user's word, or what port name and appProtocol say.

    `pod_port` is the port of the pods behind it, None where their template does not name it.
    """

    number: int
    name: str
    protocol: AppProtocol
    pod_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What was found. `apex` is None as long as there is none; `shape` is then what it would be, for copies. It has the
    ports that the apex had where those that it has by now do not tell which the split is about.

    `others` are further Services that pick the target's pods, those of them with names in `shared` pods of others too:
    narrowed, they would cut these off. `faults` say what cannot be worked with.
    """

    apex: Manifest | None
    shape: Manifest | None
    ports: Ports | None
    others: tuple[Manifest, ...]
    faults: tuple[Fault, ...]
    shared: frozenset[str] = frozenset()


def narrowed(cluster: Cluster, plan: Plan) -> Around:
    """Return the Services that select the primary by our labels, for a canary whose Deployments are both gone."""
    found = services_narrowed(cluster, plan.namespace, plan.target)
    return Around(apex=None, shape=None, ports=None, others=tuple(found), faults=())


def services_narrowed(cluster: Cluster, namespace: str, target: str) -> list[Manifest]:
    """Return the Services that select the primary alone, whatever the labels of the target's pods are by now."""
    return [one for one in cluster.list(SERVICE, namespace) if is_narrow(one, target)]


def look_around(cluster: Cluster, plan: Plan, target: Manifest, mesh: Mesh) -> Around:
    """Find the apex, its port, and the other Services of the target's pods."""
    faults: list[Fault] = []
    apex = cluster.get(ObjectRef(SERVICE, plan.namespace, plan.service.name))
    others = _others(cluster, plan, target)
    services = (*([apex] if apex is not None else []), *others)
    strangers = {
        service["metadata"]["name"]: stranger
        for service in services
        if (stranger := _stranger(cluster, service, target))
    }
    faults += [_shared(plan, name, stranger) for name, stranger in strangers.items()]
    faults += _left_out(cluster, plan, [one for one in services if one["metadata"]["name"] not in strangers], target)
    found = Around(apex=apex, shape=apex, ports=None, others=others, faults=(), shared=frozenset(strangers))
    shape = apex
    if apex is None:
        port = container_port(plan, target)
        if port is None:
            faults.append(_no_port(plan, "Deployment", plan.target, "container ports"))
            return replace(found, faults=tuple(faults))
        speaks = plan.service.protocol or _speaks({"name": port[1]}) or AppProtocol.HTTP
        shape = apex_service(target, plan.service.name, port[0], port[1], declared(mesh, speaks))
    else:
        faults += _unusable(plan, apex, target)
    ports = ports_of(plan, shape, target) if shape is not None else None
    if ports is None:
        faults.append(_no_port(plan, "Service", plan.service.name, "ports"))
        shape, ports = _as_before(cluster, plan, shape, target)
    return replace(found, shape=shape, ports=ports, faults=tuple(faults))


def _as_before(
    cluster: Cluster, plan: Plan, shape: Manifest | None, target: Manifest
) -> tuple[Manifest | None, Ports | None]:
    """Return the apex with the ports of the canary Service, which were its own, and the one that the split is about.

    Without it there would be no way to take the canary's traffic away. None before there is a canary Service.
    """
    made = cluster.get(canary_service_ref(plan.namespace, plan.target))
    if shape is None or made is None or not is_ours(made, plan.target):
        return shape, None
    before = {**shape, "spec": {**shape["spec"], "ports": made["spec"].get("ports") or []}}
    ports = ports_of(plan, before, target)
    return (before, ports) if ports is not None else (shape, None)


def _shared(plan: Plan, service: str, stranger: str) -> Fault:
    return Fault(
        reason="ServiceShared",
        message=f"Service {service} also selects {stranger}, which is not of Deployment {plan.target}; narrow its "
        "selector, or label the pods so that it selects only one",
    )


def _left_out(cluster: Cluster, plan: Plan, services: Sequence[Manifest], target: Manifest) -> list[Fault]:
    """Return whose pods a Service would select too were it not narrowed: they came later, and get nothing of it.

    Of Deployments alone: pods of jobs come and go. None without the user's own: by the primary's selector its pods
    would be others' too.
    """
    if target["metadata"]["name"] != plan.target:
        return []
    ours, faults = primary_labels(plan.target), []
    for service in (one for one in services if is_narrow(one, plan.target)):
        wide = {key: value for key, value in service["spec"]["selector"].items() if key not in ours}
        if stranger := _other_deployment(cluster, plan.namespace, wide, target):
            text = (
                f"Service {service['metadata']['name']} leads to Deployment {plan.target} alone since it was narrowed; "
                f"but for that it would select {stranger} too, which came later; if they are to get its requests give "
                "them a Service of their own, else labels that it does not select"
            )
            faults.append(Fault(reason="PodsLeftOut", message=text))
    return faults


def _no_port(plan: Plan, kind: str, name: str, what: str) -> Fault:
    asked = f"no port {plan.service.port}" if plan.service.port is not None else f"no single one among its {what}"
    return Fault(
        reason="PortUnknown",
        message=f"{kind} {name} has {asked} that the split could be about; name it with canary.delivery/port",
    )


def _unusable(plan: Plan, apex: Manifest, target: Manifest) -> list[Fault]:
    name, spec = apex["metadata"]["name"], apex["spec"]
    if spec.get("type") == "ExternalName":
        why = "is of type ExternalName, which has no endpoints to split"
    elif spec.get("clusterIP") == "None":
        why = "is headless, so clients choose pods themselves and no mesh splits its requests"
    elif not spec.get("selector"):
        why = "has no selector, so what it stands for is not known"
    elif not selects(apex, plan, target):
        why = f"does not select the pods of Deployment {plan.target}"
    else:
        return []
    return [Fault(reason="ServiceUnusable", message=f"Service {name} {why}; name another with canary.delivery/service")]


def ports_of(plan: Plan, service: Manifest, target: Manifest) -> Ports | None:
    """Return the port of a Service that the split is about, None when that is not told."""
    entries: Sequence[Mapping[str, Any]] = service["spec"].get("ports") or ()
    asked = plan.service.port
    if asked is not None:
        chosen = [one for one in entries if str(asked) in (str(one["port"]), one.get("name"))]
    elif len(entries) == 1:
        chosen = list(entries)
    else:
        chosen = [one for one in entries if _speaks(one) is not None]
    if len(chosen) != 1:
        return None
    entry = chosen[0]
    protocol = plan.service.protocol or _speaks(entry) or AppProtocol.HTTP
    name, pod_port = entry.get("name") or "", _pod_port(entry, target)
    return Ports(number=int(entry["port"]), name=name, protocol=protocol, pod_port=pod_port)


def _pod_port(entry: Mapping[str, Any], target: Manifest) -> int | None:
    """Return the number that a Service's targetPort means in the pods: the Service's own port when it names none."""
    wanted = entry.get("targetPort") or entry["port"]
    if isinstance(wanted, int):
        return wanted
    found = {number for number, name in _container_ports(target) if name == wanted}
    return found.pop() if len(found) == 1 else None


def _speaks(port: Mapping[str, Any]) -> AppProtocol | None:
    """Return what appProtocol, or else the port's name (`http`, `http-api`, `grpc-web`), says; None for neither."""
    told = str(port.get("appProtocol") or port.get("name") or "").lower()
    if told in GRPC_PROTOCOLS or told.split("-")[0] == "grpc":
        return AppProtocol.GRPC
    return AppProtocol.HTTP if told.split("-")[0] in ("http", "http2", "https") else None


def _container_ports(target: Manifest) -> list[tuple[int, str]]:
    return [
        (int(port["containerPort"]), str(port.get("name") or ""))
        for container in target["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports") or ()
    ]


def container_port(plan: Plan, target: Manifest) -> tuple[int, str] | None:
    """Return number and name of the container port that a Service of ours would have, None when that is not told."""
    found = _container_ports(target)
    if plan.service.port is not None:
        found = [one for one in found if str(plan.service.port) in (str(one[0]), one[1])]
    return found[0] if len(found) == 1 else None


def selects(service: Manifest, plan: Plan, target: Manifest) -> bool:
    """Return whether a Service selects the target's pods, were it not for our labels in its selector."""
    labels = {**template_labels(target), **primary_labels(plan.target)}
    return is_selected(service["spec"].get("selector") or {}, labels)


def picks(service: Manifest, pods: Iterable[Manifest]) -> bool:
    """Return whether a Service selects one of these pods."""
    selector = service["spec"].get("selector") or {}
    return any(is_selected(selector, labels_of(pod)) for pod in pods)


def _others(cluster: Cluster, plan: Plan, target: Manifest) -> tuple[Manifest, ...]:
    labels = {**template_labels(target), **primary_labels(plan.target)}
    skipped = (plan.service.name, canary_service_ref(plan.namespace, plan.target).name)
    found = services_selecting(cluster, plan.namespace, labels)
    return tuple(service for service in found if service["metadata"]["name"] not in skipped)


def _stranger(cluster: Cluster, service: Manifest, target: Manifest) -> str:
    """Return a pod that the Service selects and the target's own selector does not, "" for none.

    Or a Deployment whose pods would be such, though it has none at the moment.
    """
    namespace, selector = service["metadata"]["namespace"], service["spec"].get("selector") or {}
    for pod in pods_selected(cluster, namespace, selector):
        if not matches(target["spec"]["selector"], labels_of(pod)):
            return f"pod {pod['metadata']['name']}"
    return _other_deployment(cluster, namespace, selector, target)


def _other_deployment(cluster: Cluster, namespace: str, selector: Mapping[str, str], target: Manifest) -> str:
    """Return a Deployment whose pods a Service's selector picks and the target's own does not, "" for none."""
    for other in deployments_matching(cluster, namespace, {"matchLabels": selector}) if selector else ():
        ours = is_ours(other, target["metadata"]["name"])
        if not ours and not matches(target["spec"]["selector"], template_labels(other)):
            return f"the pods of Deployment {other['metadata']['name']}"
    return ""


def is_narrow(service: Manifest, target: str) -> bool:
    """Return whether a Service selects the primary alone."""
    return primary_labels(target).items() <= (service["spec"].get("selector") or {}).items()
