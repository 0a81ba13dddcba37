"""`canary plan PATH`: the timeline that a Deployment would go through, and what its checks read of what serves now.

The rules themselves are run for it (canary/forecast); here it is only gathered and printed. Clients of the cluster and
of Prometheus are loaded only where those are asked: without them a plan is there in half the time.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from canary.cli import plan_view
from canary.cli.lint import read_paths
from canary.cli.live import Live
from canary.cli.options import (
    MeshOption,
    Output,
    OutputOption,
    PathsArgument,
    ScrapeOption,
    Where,
    duration,
)
from canary.controller.services import ports_of
from canary.errors import ConfigError
from canary.forecast import timeline as line
from canary.forecast.reading import Asked, Port, Readings, readings
from canary.forecast.simulation import Assumed, NotPromoted
from canary.lint.bundle import Bundle, Settings, Subject
from canary.lint.model import maps_at, value_at
from canary.lint.rules_service import apex_of, is_number, with_ports
from canary.lint.rules_workload import POD
from canary.rollout.model import Plan, Timing
from meshes.contract import AppProtocol

if TYPE_CHECKING:
    from canary.clients.prometheus_http import PrometheusAccess

PATIENCE = timedelta(days=30)
AskedKubeconfig = Annotated[Path | None, typer.Option("--kubeconfig", help="Ask this cluster too; none without.")]
AskedContext = Annotated[
    str | None, typer.Option("--context", help="Ask the cluster of this context too; none without.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is printed of one canary."""

    plan: Plan
    line: line.Timeline
    readings: Readings | None
    notes: tuple[str, ...]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="plan")(plan)


def plan(  # noqa: PLR0913 - each is a flag that users know by its name
    paths: PathsArgument,
    output: OutputOption = Output.TEXT,
    replicas: Annotated[int | None, typer.Option("--replicas", min=1, help="Pods of the primary.")] = None,
    pod_start: Annotated[
        str | None, typer.Option("--pod-start", help="How long pods take to be ready; by their probe.")
    ] = None,
    mesh: MeshOption = "istio",
    scrape_interval: ScrapeOption = "15s",
    settle: Annotated[str, typer.Option("--settle", envvar="CANARY_SETTLE", help="As the controller has it.")] = "10s",
    drain: Annotated[str, typer.Option("--drain", envvar="CANARY_DRAIN", help="As the controller has it.")] = "15s",
    prometheus_url: Annotated[
        str | None, typer.Option("--prometheus-url", help="Ask what the checks read of what serves now.")
    ] = None,
    prometheus_token_file: Annotated[
        Path | None, typer.Option("--prometheus-token-file", help="A file with a bearer token.")
    ] = None,
    window: Annotated[str, typer.Option("--window", help="Over how long what serves is looked at.")] = "1h",
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Where files name no namespace; the context's by default.")
    ] = None,
    kubeconfig: AskedKubeconfig = None,
    context: AskedContext = None,
) -> None:
    """Show the timeline of a rollout at its quickest: weights, pods, and when checks may first fail.

    With --kubeconfig or --context the cluster says how many pods serve, and which Service clients call."""
    where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
    connected = kubeconfig is not None or context is not None
    home = _home(where) if connected else namespace or "default"
    subjects, bundle = _subjects(paths, Settings(mesh=mesh, timing=_timing(settle, drain, scrape_interval)), home)
    live = _looked_up(where, subjects) if connected else [Live()] * len(subjects)
    asked = _access(prometheus_url, prometheus_token_file) if prometheus_url else None
    over = duration(window, "--window", least=timedelta(minutes=1))
    sized = (replace(one, asked=replicas) for one in live)
    bundle = bundle.with_more([one.service for one in live if one.service is not None])
    found = [_forecast(subject, bundle, one, pod_start) for subject, one in zip(subjects, sized, strict=True)]
    if asked is not None:
        found = asyncio.run(_with_readings(found, subjects, bundle, (asked, over)))
    print(_shown(found, output))


def _home(where: Where) -> str:
    from canary.clients.kube_context import default_namespace

    return where.namespace or default_namespace(where.kubeconfig, where.context)


def _looked_up(where: Where, subjects: Sequence[Subject]) -> list[Live]:
    from canary.cli.plan_live import looked_up

    return asyncio.run(looked_up(where, subjects))


def _access(url: str, token_file: Path | None) -> PrometheusAccess:
    from canary.cli.prometheus_access import access

    return access(url, token_file, os.environ)


def _shown(found: Sequence[Forecast], output: Output) -> str:
    if output is Output.JSON:
        return json.dumps([_as_json(one) for one in found], indent=2)
    return "\n\n".join("\n".join(plan_view.lines(one.plan, one.line, one.readings, one.notes)) for one in found)


def _timing(settle: str, drain: str, scrape_interval: str) -> Timing:
    return Timing(
        settle=duration(settle, "--settle"),
        drain=duration(drain, "--drain"),
        scrape=duration(scrape_interval, "--scrape-interval", least=timedelta(seconds=1)),
    )


def _subjects(paths: Sequence[str], settings: Settings, namespace: str) -> tuple[list[Subject], Bundle]:
    """Return the canaries among the files. Raises ConfigError when there is none, or when what one asks has faults."""
    read = read_paths(paths)
    faults = [f"{one.place.file}:{one.place.line}: {one.text}" for one in read.findings]
    bundle = Bundle(read.documents, settings, namespace)
    faults += [f"{one.source.title}: {fault.text}" for one in bundle.subjects for fault in one.faults]
    if faults:
        raise ConfigError(f"{'; '.join(faults)}; `canary lint` tells more")
    if not bundle.subjects:
        raise ConfigError('no canary among the files: annotate a Deployment with canary.delivery/enabled: "true"')
    return list(bundle.subjects), bundle


def _forecast(subject: Subject, bundle: Bundle, live: Live, pod_start: str | None) -> Forecast:
    assert subject.plan is not None
    size, notes = _size(subject, bundle, live)
    assumed = Assumed(primary=size, ready_after=_pod_start(subject, pod_start))
    if subject.plan.suspend:
        notes = (*notes, "it is suspended: nothing starts until that is taken out")
    try:
        found = line.timeline(subject.plan, assumed)
    except NotPromoted as error:
        raise ConfigError(f"{subject.source.title}: a good version would not be promoted: {error}") from error
    return Forecast(plan=subject.plan, line=found, readings=None, notes=notes)


def _size(subject: Subject, bundle: Bundle, live: Live) -> tuple[int, tuple[str, ...]]:
    """Return the primary's pods: as asked, as annotated where no autoscaler is told to set them, as the cluster has it,
    as the files say; 1 where nothing does, which is noted.
    """
    written = value_at(subject.deployment.manifest, "spec", "replicas") if subject.deployment else None
    scalers = bundle.of("HorizontalPodAutoscaler", near=subject.source)
    goals = (subject.deployment.name, f"{subject.deployment.name}-primary") if subject.deployment else ()
    floors = [
        value_at(one.manifest, "spec", "minReplicas")
        for one in scalers
        if value_at(one.manifest, "spec", "scaleTargetRef", "name") in goals
    ]
    assert subject.plan is not None
    annotated = None if live.scaled else subject.plan.replicas
    for size in (live.asked, annotated, live.size, subject.plan.replicas, *floors, written):
        if is_number(size) and size >= 1:
            return int(size), live.notes
    return 1, ("how many pods serve is not in the files: 1 is assumed; --replicas names another",)


def _pod_start(subject: Subject, told: str | None) -> timedelta:
    """Return what was told, else the longest delay before a readiness probe is first asked: no pod is ready sooner."""
    if told is not None:
        return duration(told, "--pod-start")
    containers = maps_at(subject.deployment.manifest if subject.deployment else {}, *POD, "containers")
    delays = [value_at(container, "readinessProbe", "initialDelaySeconds") for _, container in containers]
    return timedelta(seconds=max([delay for delay in delays if is_number(delay) and delay >= 0], default=0))


async def _with_readings(
    found: Sequence[Forecast], subjects: Sequence[Subject], bundle: Bundle, asked: tuple[PrometheusAccess, timedelta]
) -> list[Forecast]:
    from canary.app import mesh_named
    from canary.clients.prometheus import Prometheus

    prometheus_access, window = asked
    read: list[Forecast] = []
    async with Prometheus(prometheus_access) as prometheus:
        await prometheus.check()
        for one, subject in zip(found, subjects, strict=True):
            question = Asked(
                mesh=mesh_named(one.plan.mesh),
                metrics=prometheus,
                port=_port(subject, bundle),
                now=datetime.now(UTC),
                window=window,
            )
            answers = await readings(one.plan, question)
            read.append(Forecast(plan=one.plan, line=one.line, readings=answers, notes=one.notes))
    return read


def _port(subject: Subject, bundle: Bundle) -> Port:
    assert subject.plan is not None
    service = apex_of(subject, bundle)
    entries = [port for _, port in maps_at(service.manifest if service else {}, "spec", "ports")]
    shape = {"spec": {"ports": [port for port in entries if is_number(port.get("port"))]}}
    found = ports_of(subject.plan, shape, with_ports(subject.deployment))
    if found is None:
        number = subject.plan.service.port if isinstance(subject.plan.service.port, int) else 80
        return Port(number=number, name="", pod_port=None, protocol=subject.plan.service.protocol or AppProtocol.HTTP)
    return Port(number=found.number, name=found.name, pod_port=found.pod_port, protocol=found.protocol)


def _as_json(one: Forecast) -> dict[str, Any]:
    return {
        "namespace": one.plan.namespace,
        "name": one.plan.name,
        "mesh": one.plan.mesh,
        **line.as_json(one.line),
        "readings": plan_view.readings_json(one.plan, one.readings) if one.readings else None,
        "notes": list(one.notes),
    }
