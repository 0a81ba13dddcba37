"""Flags that several commands share."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
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


def duration(text: str, flag: str, *, least: timedelta = timedelta(0)) -> timedelta:
    """Return the duration of a flag. Raises BadParameter, which is wrong usage, for what is none."""
    try:
        return parse_duration(text, least=least) if text != "0s" or least else timedelta(0)
    except ValueError as error:
        raise typer.BadParameter(f"found {text!r}, allowed is {error}", param_hint=flag) from error
