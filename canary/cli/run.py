"""`canary run`: the controller of a cluster. Its flags are the Settings; each has an environment variable too."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from pydantic import ValidationError

from canary.app import serve
from canary.cli.collecting import FEW_COLLECTIONS, collecting
from canary.logs import LogFormat, set_up
from canary.settings import Settings
from canary.spec.units import parse_duration


def _flag(name: str, text: str, *short: str) -> Any:
    return typer.Option(f"--{name}", *short, envvar=f"CANARY_{name.replace('-', '_').upper()}", help=text)


def _toggle(name: str, text: str) -> Any:
    return typer.Option(f"--{name}/--no-{name}", envvar=f"CANARY_{name.replace('-', '_').upper()}", help=text)


Mesh = Annotated[str, _flag("mesh", "The mesh of canaries that name none.")]
PrometheusUrl = Annotated[str, _flag("prometheus-url", "Where Prometheus answers.")]
TokenFile = Annotated[
    Path | None, _flag("prometheus-token-file", "A file with a bearer token; read anew when it changes.")
]
CaFile = Annotated[Path | None, _flag("prometheus-ca-file", "The CA of Prometheus, PEM.")]
User = Annotated[str | None, _flag("prometheus-user", "The user for basic authentication.")]
PasswordFile = Annotated[
    Path | None, _flag("prometheus-password-file", "A file with that user's password; read anew when it changes.")
]
ScrapeInterval = Annotated[str, _flag("scrape-interval", "How often Prometheus scrapes.")]
Namespaces = Annotated[list[str] | None, _flag("namespace", "Work in these only; repeatable.", "-n")]
RouteNamespaces = Annotated[
    list[str] | None, _flag("route-namespace", "With --namespace: where a mesh wants its routes (kuma-system).")
]
Channel = Annotated[str, _flag("slack-channel", "Where messages go.")]
Mention = Annotated[str, _flag("slack-mention", "Whom a failure mentions.")]
Elect = Annotated[bool, _toggle("leader-elect", "Take part in an election, so that several can run and one works.")]
LeaseNamespace = Annotated[str, _flag("lease-namespace", "Where the Lease of the election is.")]
Settle = Annotated[str, _flag("settle", "How long a change of the split takes to reach all proxies.")]
Drain = Annotated[str, _flag("drain", "How long requests may take to leave pods at weight 0.")]
MetricsPort = Annotated[int, _flag("metrics-port", "The port of /healthz, /readyz and /metrics; 0 is any free one.")]
Format = Annotated[LogFormat, _flag("log-format", "How log lines look.")]
Kubeconfig = Annotated[Path | None, typer.Option("--kubeconfig", help="Of the cluster; its own one inside.")]
Context = Annotated[str | None, typer.Option("--context", help="Of the kubeconfig.")]

LISTS = ("namespace", "route_namespace")
DURATIONS = ("scrape_interval", "settle", "drain")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="run")(run)


def run(  # noqa: PLR0913 - each is a flag that users know by its name
    mesh: Mesh = "istio",
    prometheus_url: PrometheusUrl = "http://prometheus.monitoring:9090",
    prometheus_token_file: TokenFile = None,
    prometheus_ca_file: CaFile = None,
    prometheus_user: User = None,
    prometheus_password_file: PasswordFile = None,
    scrape_interval: ScrapeInterval = "15s",
    namespace: Namespaces = None,
    route_namespace: RouteNamespaces = None,
    slack_channel: Channel = "",
    slack_mention: Mention = "",
    leader_elect: Elect = True,
    lease_namespace: LeaseNamespace = "canary-system",
    settle: Settle = "10s",
    drain: Drain = "15s",
    metrics_port: MetricsPort = 8080,
    log_format: Format = LogFormat.JSON,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Run the controller.

    Secrets come from the environment alone: CANARY_PROMETHEUS_PASSWORD, and SLACK_BOT_TOKEN or SLACK_WEBHOOK_URL;
    SLACK_API_URL is another address of Slack's API.
    """
    told = locals()  # the flags by their names, and nothing else as long as this stands first
    del told["kubeconfig"], told["context"]
    settings = settings_from(told, os.environ)
    set_up(settings.log_format)
    gc.set_threshold(*FEW_COLLECTIONS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(settings, kubeconfig, context))


def settings_from(told: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Return the settings of flags, durations as text, and of what only the environment says.

    Raises BadParameter, which is wrong usage, with each fault by its flag.
    """
    read = {name: value for name, value in told.items() if name not in LISTS}
    read |= {f"{name}s": tuple(told.get(name) or ()) for name in LISTS}
    read |= {name: _duration(_dashed(name), told[name]) for name in DURATIONS if name in told}
    names = ("SLACK_BOT_TOKEN", "SLACK_WEBHOOK_URL", "SLACK_API_URL", "CANARY_PROMETHEUS_PASSWORD")
    hidden = {name.lower().removeprefix("canary_"): environment[name] for name in names if environment.get(name)}
    try:
        return Settings.model_validate({**read, **hidden})
    except ValidationError as error:
        faults = [f"{_flag_of(entry['loc'])}: {_words(entry['msg'])}" for entry in error.errors()]
        raise typer.BadParameter("; ".join(faults)) from error


async def _until_told(settings: Settings, kubeconfig: Path | None, context: str | None) -> None:
    """Serve until the process is told to end; the lease is released then."""
    loop = asyncio.get_running_loop()
    serving = asyncio.ensure_future(serve(settings, kubeconfig=kubeconfig, context=context))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    tidying = asyncio.ensure_future(collecting())
    try:
        await serving
    except asyncio.CancelledError:
        return
    finally:
        tidying.cancel()


def _duration(flag: str, text: str) -> timedelta:
    try:
        return timedelta(0) if text in ("0", "0s") else parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"found {text!r}, allowed is {error}", param_hint=f"--{flag}") from error


def _flag_of(path: tuple[int | str, ...]) -> str:
    name = str(path[0]) if path else "settings"
    return name.upper() if name.startswith("slack_") and name.endswith(("token", "url")) else f"--{_dashed(name)}"


def _dashed(name: str) -> str:
    return name.removesuffix("s" if name[:-1] in LISTS else "").replace("_", "-")


def _words(message: str) -> str:
    return message.removeprefix("Value error, ")
