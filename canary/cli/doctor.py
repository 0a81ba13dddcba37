"""`canary doctor`: looks at everything that the controller needs and says what is not so, with the remedy."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from canary.cli import doctor_cluster, doctor_metrics
from canary.cli.diagnosis import Diagnosis, State, failed, passed, skipped
from canary.cli.doctor_rights import ACCOUNT, needed, rights
from canary.cli.doctor_slack import slack
from canary.cli.options import (
    ContextOption,
    KubeconfigOption,
    MeshOption,
    Output,
    OutputOption,
    ScrapeOption,
    Where,
    dns_name,
    duration,
)
from canary.cli.prometheus_access import access
from canary.cli.status_view import console
from canary.clients.kube_http import KubeHttp, connect
from canary.clients.prometheus import Prometheus
from canary.clients.prometheus_http import PrometheusAccess
from canary.errors import CanaryError, ConfigError

STYLE = {State.PASSED: "green", State.FAILED: "red", State.SKIPPED: "yellow"}
NO_ELECTION = skipped("leader", "the controller takes part in no election (--no-leader-elect)")
CONTROLLER = "controller"
"""What `--as` may say for the ServiceAccount of manifests/install."""


Account = Annotated[
    str, typer.Option("--as", help="Whose rights: `controller`, or a user such as system:serviceaccount:NS:NAME.")
]


def dns_names(texts: list[str] | None) -> list[str] | None:
    """Return the texts. Raises BadParameter for one that can be no name of an object."""
    for text in texts or ():
        dns_name(text)
    return texts


Namespaces = Annotated[
    list[str] | None,
    typer.Option(
        "--namespace",
        "-n",
        envvar="CANARY_NAMESPACE",
        callback=dns_names,
        help="Where the controller works, if in some namespaces only, as it has it; repeatable.",
    ),
]
RouteNamespaces = Annotated[
    list[str] | None,
    typer.Option(
        "--route-namespace", envvar="CANARY_ROUTE_NAMESPACE", callback=dns_names, help="As the controller has it."
    ),
]
PrometheusUrl = Annotated[
    str | None, typer.Option("--prometheus-url", envvar="CANARY_PROMETHEUS_URL", help="As the controller has it.")
]
TokenFile = Annotated[
    Path | None, typer.Option("--prometheus-token-file", envvar="CANARY_PROMETHEUS_TOKEN_FILE", help="Its token.")
]
Channel = Annotated[
    str, typer.Option("--slack-channel", envvar="CANARY_SLACK_CHANNEL", help="As the controller has it.")
]
Elect = Annotated[
    bool,
    typer.Option("--leader-elect/--no-leader-elect", envvar="CANARY_LEADER_ELECT", help="As the controller has it."),
]
LeaseNamespace = Annotated[
    str, typer.Option("--lease-namespace", envvar="CANARY_LEASE_NAMESPACE", help="Where the election's Lease is.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is looked at. `namespaces` are where the controller works, none for all of them, `routes` where else it has
    routes; `account` "" is whoever asks; `prometheus` None asks none.
    """

    where: Where
    namespaces: tuple[str, ...]
    routes: tuple[str, ...]
    account: str
    lease_namespace: str
    elects: bool
    mesh: str
    scrape: timedelta
    prometheus: PrometheusAccess | None
    channel: str


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="doctor")(doctor)


def doctor(  # noqa: PLR0913 - each is a flag that users know by its name
    output: OutputOption = Output.TEXT,
    account: Account = "",
    mesh: MeshOption = "istio",
    prometheus_url: PrometheusUrl = None,
    prometheus_token_file: TokenFile = None,
    scrape_interval: ScrapeOption = "15s",
    slack_channel: Channel = "",
    lease_namespace: LeaseNamespace = "canary-system",
    leader_elect: Elect = True,
    namespace: Namespaces = None,
    route_namespace: RouteNamespaces = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Look at everything that the controller needs; exit 1 when something is not as it should be.

    With -n rights are asked for in these namespaces alone, as a controller needs them that works in some only.
    """
    url = prometheus_url
    asked = Asked(
        where=Where(kubeconfig=kubeconfig, context=context),
        namespaces=tuple(namespace or ()),
        routes=tuple(route_namespace or ()),
        account=f"{ACCOUNT}{lease_namespace}:canary-controller" if account == CONTROLLER else account,
        lease_namespace=lease_namespace,
        elects=leader_elect,
        mesh=mesh,
        scrape=duration(scrape_interval, "--scrape-interval", least=timedelta(seconds=1)),
        prometheus=access(url, prometheus_token_file, os.environ) if url else None,
        channel=slack_channel,
    )
    found = asyncio.run(_all(asked))
    if output is Output.JSON:
        print(json.dumps([as_json(one) for one in found], indent=2))
    else:
        _print(found)
    if any(one.state is State.FAILED for one in found):
        raise typer.Exit(1)


def as_json(one: Diagnosis) -> dict[str, str]:
    """Return what `-o json` prints of one thing."""
    return {"name": one.name, "state": one.state.value, "text": one.text, "remedy": one.remedy}


def _print(found: Sequence[Diagnosis]) -> None:
    shown = console()
    long = max(len(one.name) for one in found)
    for one in found:
        head = Text.assemble((one.state.value.ljust(7), STYLE[one.state]), "  ", one.name.ljust(long), "  ", one.text)
        shown.print(head)
        if one.remedy:
            shown.print(Text(f"{' ' * 9}{' ' * long}  -> {one.remedy}"))


async def _all(asked: Asked) -> list[Diagnosis]:
    found = [one async for one in _of_cluster(asked)]
    found += [one async for one in _of_prometheus(asked)]
    return [*found, *await slack(os.environ, asked.channel)]


async def _of_cluster(asked: Asked) -> AsyncIterator[Diagnosis]:
    try:
        http = await connect(asked.where.kubeconfig, asked.where.context)
    except ConfigError as error:
        yield failed("api", str(error), "name a kubeconfig and a context that can be used")
        return
    try:
        first = await doctor_cluster.api(http)
        yield first
        if first.state is State.PASSED:
            for one in await _of_api(http, asked):
                yield one
    finally:
        await http.close()


async def _of_api(http: KubeHttp, asked: Asked) -> list[Diagnosis]:
    wanted = needed(asked.namespaces, asked.lease_namespace, asked.routes)
    return [
        await doctor_cluster.our_crd(http),
        *await rights(http, wanted, asked.account),
        await doctor_cluster.leader(http, asked.lease_namespace) if asked.elects else NO_ELECTION,
        await doctor_cluster.mesh(http, asked.mesh),
    ]


async def _of_prometheus(asked: Asked) -> AsyncIterator[Diagnosis]:
    if asked.prometheus is None:
        yield skipped("prometheus", "no address is given", "name it with --prometheus-url")
        return
    async with Prometheus(asked.prometheus) as prometheus:
        try:
            await prometheus.check()
        except CanaryError as error:
            remedy = "check --prometheus-url, the network and the credentials; from outside use kubectl port-forward"
            yield failed("prometheus", str(error), remedy)
            return
        yield passed("prometheus", asked.prometheus.shown)
        yield await doctor_metrics.metrics(prometheus, asked.mesh)
        yield await doctor_metrics.scrapes(prometheus, asked.mesh, asked.scrape)
