"""The mesh of a canary and its route, judged by the mesh's adapter as the controller judges the live objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from canary.controller.names import canary_service_ref
from canary.controller.services import Ports, ports_of
from canary.lint.bundle import Bundle, Subject
from canary.lint.model import Document, Finding, Level, maps_at, together
from canary.lint.rules_mesh import port_protocol
from canary.lint.rules_service import apex_of, is_number, with_ports
from canary.rollout.model import Plan
from canary.spec.faults import nearest
from meshes import registry
from meshes.contract import AppProtocol, Kind, Mesh, Resolving, Route, RouteError

FIRST_WEIGHT = 10
"""A split that the adapter is asked to write into the user's route, to see whether it can."""
_ANY_VERSION = ("v1",)
_BAD_SHAPES = (AttributeError, KeyError, TypeError, ValueError, IndexError)
"""What an adapter may raise for objects that no API server has checked."""


def mesh(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A mesh that no adapter is installed for."""
    plan = subject.plan
    if plan is None or _adapter(plan) is not None:
        return
    known = registry.names()
    near = nearest(plan.mesh, known)
    yield Finding(
        place=subject.at("mesh"),
        rule="mesh-unknown",
        found=plan.mesh,
        allowed=f"one of {', '.join(known)}",
        remedy=f"did you mean {near}?" if near else "name one of them, or install the adapter beside this command",
    )


def _adapter(plan: Plan) -> Mesh | None:
    try:
        return registry.load(plan.mesh)
    except (registry.UnknownMesh, registry.BrokenAdapter):
        return None


def route(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """The route that the user named: not among the files, or one that no split can be kept in.

    Where a route depends on what is installed (`Resolving`), files do not tell.
    """
    plan = subject.plan
    adapter = _adapter(plan) if plan is not None else None
    if plan is None or adapter is None or plan.route is None or isinstance(adapter, Resolving):
        return
    asked = _route(plan, subject, bundle)
    kind = adapter.route_kind(asked)
    found = _live(bundle, kind, plan.route, subject)
    if found is None:
        yield Finding(
            place=subject.at("route"),
            rule="route-not-here",
            found=f"{kind} {plan.route}, which is not among the files",
            allowed=f"a {kind.kind} of the namespace",
            remedy="give lint the file of the route too, to have it looked at",
            level=Level.NOTE,
        )
        return
    try:
        adapter.render(asked, FIRST_WEIGHT, _placed(found, plan))
    except RouteError as error:
        yield _refused(found, error, f"a {kind.kind} in which requests for {asked.apex} can be split")
    except _BAD_SHAPES:
        yield _misshapen(found, kind)


def conflicts(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Routes beside ours for the same host, and objects that overrule it."""
    plan = subject.plan
    adapter = _adapter(plan) if plan is not None else None
    if plan is None or adapter is None or isinstance(adapter, Resolving):
        return
    asked = _route(plan, subject, bundle)
    if plan.route is None:
        own = _live(bundle, adapter.route_kind(asked), asked.apex, subject)
        if own is not None:
            yield from _tried(own, lambda: adapter.render(asked, FIRST_WEIGHT, _placed(own, plan)), asked.apex)
            return
    for kind in adapter.kinds():
        for document in bundle.seen_from(subject.source, kind.kind):
            if document.group == kind.group and not _is_told(document, subject, bundle):
                yield from _tried(document, lambda: adapter.conflict(asked, [_placed(document, plan)]), asked.apex)  # noqa: B023


def _is_told(document: Document, subject: Subject, bundle: Bundle) -> bool:
    """Return whether another rule tells what is wrong with it, with the very key."""
    told = (*route(subject, bundle), *port_protocol(subject, bundle))
    return any((one.place.file, one.place.object) == (document.file, document.title) for one in told)


def _tried(document: Document, ask: Callable[[], object], apex: str) -> Iterator[Finding]:
    try:
        answer = ask()
    except RouteError as error:
        answer = error
    except _BAD_SHAPES:
        return  # what has no shape stands in nobody's way; an API server would refuse it
    if isinstance(answer, RouteError):
        yield _refused(document, answer, f"no other object that decides where requests for {apex} go")


def _refused(document: Document, error: RouteError, allowed: str) -> Finding:
    rule = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in error.reason).lstrip("-")
    return Finding(
        place=document.at("spec"), rule=rule, found=error.reason, allowed=allowed, remedy=str(error).rstrip(".")
    )


def _misshapen(document: Document, kind: Kind) -> Finding:
    return Finding(
        place=document.at("spec"),
        rule="route-unreadable",
        found="a spec of another shape",
        allowed=f"the spec of a {kind}",
        remedy="compare it with the API reference of the mesh",
    )


def _live(bundle: Bundle, kind: Kind, name: str, subject: Subject) -> Document | None:
    found = [one for one in bundle.of(kind.kind, near=subject.source) if one.group == kind.group and one.name == name]
    return found[0] if found else None


def _placed(document: Document, plan: Plan) -> Mapping[str, Any]:
    """Return the object with the namespace that it would be applied to."""
    metadata = document.manifest["metadata"]
    return {**document.manifest, "metadata": {**metadata, "namespace": document.namespace or plan.namespace}}


def _route(plan: Plan, subject: Subject, bundle: Bundle) -> Route:
    service = apex_of(subject, bundle)
    entries = [port for _, port in maps_at(service.manifest if service else {}, "spec", "ports")]
    shape = {"spec": {"ports": [port for port in entries if is_number(port.get("port"))]}}
    found = ports_of(plan, shape, with_ports(subject.deployment))
    asked = plan.service.port if isinstance(plan.service.port, int) else 80
    port = found or Ports(number=asked, name="", protocol=plan.service.protocol or AppProtocol.HTTP)
    namespaces = [one.namespace for one in bundle.documents if one.namespace and together(one, subject.source)]
    return Route(
        namespace=plan.namespace or next(iter(namespaces), ""),
        target=plan.target,
        apex=plan.service.name,
        canary=canary_service_ref(plan.namespace, plan.target).name,
        port=port.number,
        port_name=port.name,
        protocol=port.protocol,
        user_route=plan.route,
        served=_ANY_VERSION,
        options={"kuma-form": plan.kuma_form},
    )


RULES = (mesh, route, conflicts)
