"""`canary migrate flagger PATH...`: prints what Flagger was told as annotations or Canaries, and what is left over."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from canary.cli.lint import read_paths
from canary.cli.options import Output, OutputOption, PathsArgument
from canary.errors import ConfigError
from canary.migrate.flagger import migrated, title_of
from canary.migrate.model import Made, Remark
from canary.migrate.writing import as_annotations, as_canary, as_yaml
from canary.spec.annotations import canary_from_annotations
from canary.spec.reading import spec_faults

migrate = typer.Typer(name="migrate", help="Turn what another tool was told into what canary is told.")


class Form(StrEnum):
    """What is written."""

    ANNOTATIONS = "annotations"
    CANARY = "canary"


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.add_typer(migrate, no_args_is_help=True)


@migrate.callback()
def tools() -> None:
    """Turn what another tool was told into what canary is told."""


@migrate.command()
def flagger(
    paths: PathsArgument,
    form: Annotated[Form, typer.Option("--as", help="What is written.")] = Form.ANNOTATIONS,
    output: OutputOption = Output.TEXT,
) -> None:
    """Turn Flagger's Canaries, MetricTemplates and AlertProviders into canary's, and list what has no equivalent.

    Exit 1 when a Canary was left out because canary would not take it.
    """
    read = read_paths(paths)
    if read.findings:
        places = [f"{one.place.file}:{one.place.line}: {one.text}" for one in read.findings]
        raise ConfigError("; ".join(places))
    made = migrated([document.manifest for document in read.documents])
    if not made.specs and not made.remarks:
        raise ConfigError("there is nothing of Flagger's (flagger.app) in these files")
    manifests, refused = _manifests(made, form)
    remarks = [*made.remarks, *refused]
    if output is Output.JSON:
        listed = [{"object": one.object, "field": one.field, "text": one.text} for one in remarks]
        print(json.dumps({"manifests": manifests, "remarks": listed}, indent=2))
    else:
        sys.stdout.write("---\n".join(map(as_yaml, manifests)))
        for one in remarks:
            print(f"{one.object}: {one.field}: {one.text}", file=sys.stderr)
    if refused:
        raise typer.Exit(1)


def _manifests(made: Made, form: Form) -> tuple[list[dict[str, Any]], list[Remark]]:
    """Return what is written, and every fault of those that canary would not take, which are left out."""
    found: list[dict[str, Any]] = []
    refused: list[Remark] = []
    for (namespace, name), spec in made.specs.items():
        if form is Form.CANARY:
            written = as_canary(namespace, name, spec)
            faults = spec_faults(written)
        else:
            written = as_annotations(namespace, spec)
            faults = canary_from_annotations(written)[1]
        title = title_of("Canary", (namespace, name))
        texts = (f"left out, since canary would not take it; change it first: {fault.text}" for fault in faults)
        refused += [Remark(object=title, field="spec", text=text) for text in texts]
        if not faults:
            found.append(written)
    return found, refused
