"""Checks, steps and times that are allowed but do not do what they seem to."""

from __future__ import annotations

import math
from collections.abc import Iterator

from canary.controller.names import canary_service_ref
from canary.lint.bundle import Bundle, Subject
from canary.lint.model import Finding, Level
from canary.rollout.model import Check, NoData, Plan
from canary.rollout.windows import LEAST_SCRAPES
from canary.spec.queries import OF_ONE_SIDE, takes_both_sides, tells_sides_apart
from canary.spec.units import format_duration
from meshes import registry
from meshes.contract import AppProtocol, Mesh, RouteError, Workload

ROUNDING = 1e-9


def interval(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """An interval that a rate cannot be measured in."""
    plan = subject.plan
    if plan is None:
        return
    scrape = plan.timing.scrape
    if plan.interval < LEAST_SCRAPES * scrape:
        least = format_duration(LEAST_SCRAPES * scrape)
        yield Finding(
            place=subject.at("interval"),
            rule="interval-short",
            found=format_duration(plan.interval),
            allowed=f"at least {least}, four times the scrape interval of {format_duration(scrape)}",
            remedy=f"write {least}, or tell lint another --scrape-interval; windows are {least} anyway",
            level=Level.WARNING,
        )


def step_times(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A step that is shorter than the window that its evaluation needs."""
    plan = subject.plan
    if plan is None:
        return
    least = max(plan.interval, LEAST_SCRAPES * plan.timing.scrape)
    for step in plan.steps:
        if step.duration is not None and step.duration < least:
            yield Finding(
                place=subject.at("steps"),
                rule="step-short",
                found=f"{step.weight}@{format_duration(step.duration)}",
                allowed=f"at least {format_duration(least)}: none is evaluated before, and none ends without that",
                remedy="give the step more time, or shorten the interval",
                level=Level.WARNING,
            )


def patience(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A patience that is over before the first evaluation."""
    plan = subject.plan
    if plan is not None and plan.no_data_timeout < plan.interval:
        yield Finding(
            place=subject.at("no-data-timeout"),
            rule="no-data-timeout-short",
            found=format_duration(plan.no_data_timeout),
            allowed=f"at least the interval of {format_duration(plan.interval)}",
            remedy="give it a few intervals, so that low traffic finds its evidence",
            level=Level.WARNING,
        )


def unproved(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Settings that let versions through that nothing was seen of."""
    plan = subject.plan
    if plan is None:
        return
    remedy = "take it out, unless you mean it"
    if plan.no_data is NoData.PROMOTE:
        allowed = "rollback or hold, where a version that got no requests is not to serve"
        yield _unproved(subject, "no-data", "promote", allowed, remedy)
    if plan.skip_analysis:
        allowed = "false: with it every version is promoted as soon as its pods are ready"
        yield _unproved(subject, "skip-analysis", "true", allowed, remedy)
    if not plan.checks and not plan.skip_analysis:
        allowed = "a check at least: with none only the pods of a version are looked at"
        yield _unproved(subject, "success-rate", "no check", allowed, "leave success-rate at its default")


def _unproved(subject: Subject, key: str, found: str, allowed: str, remedy: str) -> Finding:
    return Finding(
        place=subject.at(key), rule="unproved", found=found, allowed=allowed, remedy=remedy, level=Level.WARNING
    )


def suspended(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A canary that starts nothing."""
    if subject.plan is not None and subject.plan.suspend and subject.is_written("suspend"):
        yield Finding(
            place=subject.at("suspend"),
            rule="suspended",
            found="true",
            allowed="false, for rollouts to start",
            remedy="take it out once versions are to be rolled out",
            level=Level.NOTE,
        )


def counterparts(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A query that cannot be asked of the primary: when the whole system fails, the new version is blamed."""
    for check in subject.plan.checks if subject.plan else ():
        if check.query and not tells_sides_apart(check.query):
            names = ", ".join(f"{{{{ {name} }}}}" for name in OF_ONE_SIDE)
            yield Finding(
                place=subject.at_check(check.name),
                rule="no-counterpart",
                found=check.query,
                allowed=f"a query with one of {names}, so that the primary can be asked the same",
                remedy="use one of them; without, a failure of the environment counts against the new version",
                level=Level.WARNING,
            )


def both_sides(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A query about the canary that counts the primary with it: a bad version hides behind what serves."""
    for check in subject.plan.checks if subject.plan else ():
        if check.query and (matcher := takes_both_sides(check.query)):
            label = matcher.partition("=~")[0].strip()
            yield Finding(
                place=subject.at_check(check.name),
                rule="both-sides",
                found=matcher,
                allowed="an expression that the primary does not match when the canary is asked about",
                remedy=f'write pod=~"{{{{ pods }}}}", or {label}="{{{{ target }}}}" where it names the Deployment; '
                "as it is, what the primary does counts as the canary's",
                level=Level.WARNING,
            )


def edges(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Latency limits that the mesh's histogram has no edge for."""
    plan = subject.plan
    if plan is None or plan.mesh not in registry.names():
        return
    try:
        mesh = registry.load(plan.mesh)
    except registry.BrokenAdapter:
        return  # told by rules_mesh.py
    known = _edges(mesh, plan)
    for check in plan.checks:
        if check.builtin is not None and check.builtin.quantile is not None:
            yield from _edge(subject, check, known)


def _edges(mesh: Mesh, plan: Plan) -> tuple[float, ...]:
    workload = Workload(
        namespace=plan.namespace,
        deployment=plan.target,
        service=canary_service_ref(plan.namespace, plan.target).name,
        pods="",
        port=0,
        protocol=plan.service.protocol or AppProtocol.HTTP,
    )
    try:
        return tuple(edge for edge in mesh.latency(workload).edges if math.isfinite(edge))
    except RouteError:
        return ()  # which mesh answers is told by the live route alone


def _edge(subject: Subject, check: Check, known: tuple[float, ...]) -> Iterator[Finding]:
    limit = check.limit * 1000
    above = [edge for edge in known if edge >= limit * (1 - ROUNDING)]
    if not known or (above and math.isclose(above[0], limit)):
        return
    below = [edge for edge in known if edge < limit]
    usable = [*below[-1:], *above[:1]]
    shown = " or ".join(f"{edge:g}ms" for edge in usable)
    if above:
        rule, level, why = "latency-between-edges", Level.WARNING, f"it is judged as {above[0]:g}ms"
    else:
        rule, level, why = "latency-beyond-edges", Level.FAULT, "no request can be counted as slower, so it never ends"
    yield Finding(
        place=subject.at_check(check.name),
        rule=rule,
        found=f"{limit:g}ms",
        allowed=f"an edge of the mesh's histogram, the next are {shown}",
        remedy=f"write {shown}; {why}",
        level=level,
    )


RULES = (interval, step_times, patience, unproved, suspended, counterparts, both_sides, edges)
