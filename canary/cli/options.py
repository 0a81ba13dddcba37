"""Flags that several commands share. Light: what talks to a cluster is loaded by the commands that do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from canary.spec.units import parse_duration


class Output(StrEnum):
    """How it is printed."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]
MeshOption = Annotated[
    str,
    typer.Option("--mesh", envvar="CANARY_MESH", help="The mesh of canaries that name none, as the controller has it."),
]
ScrapeOption = Annotated[
    str,
    typer.Option(
        "--scrape-interval", envvar="CANARY_SCRAPE_INTERVAL", help="The scrape interval, as the controller has it."
    ),
]
PathsArgument = Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders, or - for standard input.")]


_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)


def dns_name(text: str | None) -> str | None:
    """Return the text. Raises BadParameter for what can be no name of an object, before it becomes part of a path."""
    if text is not None and not _DNS_NAME.fullmatch(text):
        raise typer.BadParameter(f"found {text!r}, allowed are names of lower-case letters, digits, '-' and '.'")
    return text


KubeconfigOption = Annotated[
    Path | None, typer.Option("--kubeconfig", help="The kubeconfig file; $KUBECONFIG or ~/.kube/config by default.")
]
ContextOption = Annotated[str | None, typer.Option("--context", help="The context of the kubeconfig.")]
NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", "-n", callback=dns_name, help="The namespace; the context's by default."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which cluster and namespace a person means; None is what the kubeconfig says."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None


def duration(text: str, flag: str, *, least: timedelta = timedelta(0)) -> timedelta:
    """Return the duration of a flag. Raises BadParameter, which is wrong usage, for what is none."""
    try:
        return parse_duration(text, least=least) if text != "0s" or least else timedelta(0)
    except ValueError as error:
        raise typer.BadParameter(f"found {text!r}, allowed is {error}", param_hint=flag) from error
