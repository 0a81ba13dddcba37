"""What is wrong with the Services around a canary: the apex, its port, and others that pick the same pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from canary.controller.names import is_selected, primary_labels
from canary.controller.services import container_port, ports_of
from canary.lint.bundle import Bundle, Subject
from canary.lint.model import Document, Finding, Level, map_at, maps_at, text_at, value_at
from canary.lint.rules_workload import POD, is_whole, pod_labels
from canary.rollout.model import Plan

SCRAPERS = ("ServiceMonitor",)
SCRAPE_WORDS = ("metrics", "prometheus", "monitoring")


def apex_of(subject: Subject, bundle: Bundle) -> Document | None:
    """Return the Service that clients call, None when it is not among the files."""
    return bundle.named("Service", subject.plan.service.name, subject.source) if subject.plan else None


def missing_apex(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """No Service among the files: canary makes one, if it can tell the port."""
    plan, deployment = subject.plan, subject.deployment
    if plan is None or apex_of(subject, bundle) is not None:
        return
    yield Finding(
        place=subject.at("service"),
        rule="service-not-here",
        found=f"Service {plan.service.name}, which is not among the files",
        allowed="a Service of the namespace; canary makes it if there is none",
        remedy="give lint the file of the Service too, to have it looked at",
        level=Level.NOTE,
    )
    if deployment is not None and is_whole(deployment) and container_port(plan, with_ports(deployment)) is None:
        asked = "no single one" if plan.service.port is None else f"no port {plan.service.port}"
        yield Finding(
            place=deployment.at(*POD, "containers", 0, "ports") if plan.service.port is None else subject.at("port"),
            rule="port-unknown",
            found=f"{asked} among the container ports, and no Service",
            allowed="one container port, or the one that canary.delivery/port names",
            remedy="name the port with canary.delivery/port, or apply a Service",
            level=Level.WARNING if subject.is_written("service") else Level.FAULT,
        )


def with_ports(deployment: Document | None) -> dict[str, Any]:
    """Return the Deployment with its containers alone, each of its ports one that has a number."""
    containers = [
        {**one, "ports": [port for _, port in maps_at(one, "ports") if is_number(port.get("containerPort"))]}
        for _, one in maps_at(deployment.manifest if deployment else {}, *POD, "containers")
    ]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def apex(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """An apex that nothing can be split behind."""
    service = apex_of(subject, bundle)
    if service is None or subject.plan is None:
        return
    spec, remedy = map_at(service.manifest, "spec"), "name another with canary.delivery/service, or change this one"
    selector = map_at(spec, "selector")
    allowed = "a Service with a cluster IP and a selector that picks the pods of the Deployment"
    if spec.get("type") == "ExternalName":
        place, found = service.at("spec", "type"), "ExternalName, which has no endpoints to split"
    elif spec.get("clusterIP") == "None":
        place, found = service.at("spec", "clusterIP"), "None: headless, so clients choose pods themselves"
    elif not selector:
        place, found = service.at("spec", "selector"), "no selector"
    elif subject.deployment is not None and not _picks(service, subject.deployment, subject.plan):
        place, found = service.at("spec", "selector"), ", ".join(f"{key}={value}" for key, value in selector.items())
        allowed = f"labels that the pods of {subject.deployment.title} have"
    else:
        return
    yield Finding(place=place, rule="service-unusable", found=found, allowed=allowed, remedy=remedy)


def _picks(service: Document, deployment: Document, plan: Plan) -> bool:
    if not is_whole(deployment):
        return True
    labels = {**pod_labels(deployment), **primary_labels(plan.target)}
    return is_selected(map_at(service.manifest, "spec", "selector"), labels)


def port(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """An apex of which it is not told which port the split is about."""
    service = apex_of(subject, bundle)
    if service is None or subject.plan is None or map_at(service.manifest, "spec").get("type") == "ExternalName":
        return
    shaped = [(at, one) for at, one in maps_at(service.manifest, "spec", "ports") if is_number(one.get("port"))]
    if ports_of(subject.plan, {"spec": {"ports": [one for _, one in shaped]}}, with_ports(subject.deployment)) is None:
        known = ", ".join(f"{one['port']} ({one.get('name') or 'no name'})" for _, one in shaped) or "none"
        asked = subject.plan.service.port
        yield Finding(
            place=service.at("spec", "ports") if asked is None else subject.at("port"),
            rule="port-unknown",
            found=f"the ports {known}" if asked is None else f"{asked}, where {service.title} has the ports {known}",
            allowed="one port, one among several that is named http* or grpc*, or the one that is named",
            remedy="name one of them with canary.delivery/port",
        )


def is_number(value: object) -> bool:
    """Return whether a port's number is one."""
    return isinstance(value, int) and not isinstance(value, bool)


def target_ports(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A named target port that no container has: the Service then has no endpoints."""
    service, deployment = apex_of(subject, bundle), subject.deployment
    if service is None or deployment is None or not is_whole(deployment):
        return
    named = [
        str(each.get("name"))
        for _, container in maps_at(deployment.manifest, *POD, "containers")
        for _, each in maps_at(container, "ports")
        if each.get("name")
    ]
    for at, entry in maps_at(service.manifest, "spec", "ports"):
        wanted = entry.get("targetPort")
        if isinstance(wanted, str) and not wanted.isdigit() and wanted not in named:
            yield Finding(
                place=service.at("spec", "ports", at, "targetPort"),
                rule="target-port",
                found=wanted,
                allowed=f"a named container port: {', '.join(named) or 'there is none'}",
                remedy=f"name the container's port {wanted}, or write its number",
            )


def shared(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Services that pick the pods of several Deployments: they cannot be narrowed to one primary."""
    if subject.deployment is None or subject.plan is None or not is_whole(subject.deployment):
        return
    for service in _around(subject, bundle):
        selector = map_at(service.manifest, "spec", "selector")
        for other in bundle.of("Deployment", "StatefulSet", "DaemonSet", near=subject.deployment):
            stranger = other.name not in (subject.plan.target, f"{subject.plan.target}-primary")
            if stranger and is_selected(selector, pod_labels(other)):
                yield Finding(
                    place=service.at("spec", "selector"),
                    rule="service-shared",
                    found=f"{_shown(selector)}, which picks the pods of {other.title} too",
                    allowed=f"a selector that picks the pods of {subject.deployment.title} alone",
                    remedy="narrow it, or label the pods so that it picks only one",
                )


def scraped(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A Service by which Prometheus finds the pods: once it is narrowed, it finds the candidate's no more."""
    if subject.deployment is None or subject.plan is None or not is_whole(subject.deployment):
        return
    for service in _around(subject, bundle):
        why = _scrape_only(service, bundle)
        if service.name != subject.plan.service.name and why:
            yield Finding(
                place=service.at("spec", "selector"),
                rule="scrape-service",
                found=f"{_shown(map_at(service.manifest, 'spec', 'selector'))}; {why}",
                allowed="Services that may be narrowed to the primary's pods, as canary does with all that pick them",
                remedy="scrape the pods themselves (a PodMonitor), or the candidate is not scraped by it",
                level=Level.WARNING,
            )


def _around(subject: Subject, bundle: Bundle) -> Iterator[Document]:
    assert subject.deployment is not None
    assert subject.plan is not None
    for service in bundle.of("Service", near=subject.deployment):
        if _picks(service, subject.deployment, subject.plan):
            yield service


def _scrape_only(service: Document, bundle: Bundle) -> str:
    """Return what says that Prometheus scrapes a Service, "" for nothing."""
    for monitor in bundle.of(*SCRAPERS):
        wanted = map_at(monitor.manifest, "spec", "selector", "matchLabels")
        if wanted and is_selected(wanted, map_at(service.manifest, "metadata", "labels")):
            return f"{monitor.title} scrapes it"
    if map_at(service.manifest, "metadata", "annotations").get("prometheus.io/scrape") == "true":
        return "its annotation prometheus.io/scrape says that it is scraped"
    ports = [text_at(entry, "name") for _, entry in maps_at(service.manifest, "spec", "ports")]
    told = [name for name in ports if any(word in name for word in SCRAPE_WORDS)]
    return f"its only ports are {', '.join(ports)}" if told and len(told) == len(ports) else ""


def _shown(selector: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in selector.items())


def budget(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A PodDisruptionBudget that counts primary and candidate together."""
    deployment, plan = subject.deployment, subject.plan
    if deployment is None or plan is None:
        return
    for found in bundle.of("PodDisruptionBudget", near=deployment):
        selector = map_at(found.manifest, "spec", "selector", "matchLabels")
        narrow = set(primary_labels(plan.target)) & set(selector)
        if not narrow and is_selected(selector, pod_labels(deployment)):
            role = " and ".join(f"{key}: {value}" for key, value in primary_labels(plan.target).items())
            yield Finding(
                place=found.at("spec", "selector"),
                rule="budget-of-both",
                found=f"{_shown(selector)}, which picks primary and candidate",
                allowed="a selector that picks the primary's pods alone, which are what serves",
                remedy=f"add {role}",
                level=Level.WARNING,
            )


def not_ready_addresses(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """`publishNotReadyAddresses` on the apex: requests reach pods that are not ready."""
    service = apex_of(subject, bundle)
    if service is not None and value_at(service.manifest, "spec", "publishNotReadyAddresses") is True:
        yield Finding(
            place=service.at("spec", "publishNotReadyAddresses"),
            rule="not-ready-addresses",
            found="true",
            allowed="false: requests to pods that are not ready fail, and canary counts only ready ones",
            remedy="take it out",
            level=Level.WARNING,
        )


RULES = (missing_apex, apex, port, target_ports, shared, scraped, budget, not_ready_addresses)
