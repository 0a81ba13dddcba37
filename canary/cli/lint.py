"""`canary lint PATH...`: every fault in manifests, with file, line, object and key. canary/lint finds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from canary.cli.options import MeshOption, PathsArgument, ScrapeOption, duration
from canary.lint import report
from canary.lint.bundle import Bundle, Settings
from canary.lint.files import gathered
from canary.lint.model import Finding
from canary.lint.reading import Read
from canary.lint.rules import fails, findings, in_order
from canary.rollout.model import Timing


class LintOutput(StrEnum):
    """How it is printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="lint")(lint)


def lint(
    paths: PathsArgument,
    output: Annotated[
        LintOutput, typer.Option("--output", "-o", help="For people, for programs, or as annotations of GitHub.")
    ] = LintOutput.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail too.")] = False,
    mesh: MeshOption = "istio",
    scrape_interval: ScrapeOption = "15s",
) -> None:
    """Find faults in manifests before they are applied; exit 1 when there is one."""
    scrape = duration(scrape_interval, "--scrape-interval", least=timedelta(seconds=1))
    settings = Settings(mesh=mesh, timing=Timing(scrape=scrape))
    read = read_paths(paths)
    found = in_order([*read.findings, *findings(read.documents, settings)])
    _print(found, len(Bundle(read.documents, settings).subjects), output)
    if fails(found, strict=strict):
        raise typer.Exit(1)


def read_paths(paths: Sequence[str]) -> Read:
    """Return what the files hold. Raises BadParameter, which is wrong usage, for a path that is not there."""
    try:
        return gathered(paths)
    except FileNotFoundError as error:
        raise typer.BadParameter(f"there is no file or folder {error}", param_hint="PATH") from error


def _print(found: Sequence[Finding], canaries: int, output: LintOutput) -> None:
    match output:
        case LintOutput.TEXT:
            print("\n".join(report.lines(found, canaries)))
        case LintOutput.JSON:
            print(report.as_json(found, canaries))
        case LintOutput.GITHUB:
            for line in report.github(found):
                print(line)
