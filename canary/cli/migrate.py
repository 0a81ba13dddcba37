"""`canary migrate flagger PATH...`: prints what Flagger was told as annotations or Canaries, and what is left over."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml

from canary.cli.lint import read_paths
from canary.cli.options import Output, OutputOption, PathsArgument
from canary.errors import ConfigError
from canary.migrate.flagger import migrated
from canary.migrate.model import Made
from canary.migrate.writing import as_annotations, as_canary
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
    """Turn Flagger's Canaries, MetricTemplates and AlertProviders into canary's, and list what has no equivalent."""
    read = read_paths(paths)
    if read.findings:
        places = [f"{one.place.file}:{one.place.line}: {one.text}" for one in read.findings]
        raise ConfigError("; ".join(places))
    made = migrated([document.manifest for document in read.documents])
    if not made.specs and not made.remarks:
        raise ConfigError("there is nothing of Flagger's (flagger.app) in these files")
    manifests = _manifests(made, form)
    if output is Output.JSON:
        remarks = [{"object": one.object, "field": one.field, "text": one.text} for one in made.remarks]
        print(json.dumps({"manifests": manifests, "remarks": remarks}, indent=2))
        return
    sys.stdout.write("---\n".join(yaml.safe_dump(one, sort_keys=False, width=120) for one in manifests))
    for one in made.remarks:
        print(f"{one.object}: {one.field}: {one.text}", file=sys.stderr)


def _manifests(made: Made, form: Form) -> list[dict[str, Any]]:
    """Return what is written. Raises ConfigError, with every fault, where canary would not take it."""
    found: list[dict[str, Any]] = []
    faults: list[str] = []
    for (namespace, name), spec in made.specs.items():
        if form is Form.CANARY:
            found.append(as_canary(namespace, name, spec))
            faults += [f"{name}: {fault.text}" for fault in spec_faults(found[-1])]
        else:
            found.append(as_annotations(namespace, spec))
            faults += [f"{name}: {fault.text}" for fault in canary_from_annotations(found[-1])[1]]
    if faults:
        raise ConfigError(f"Flagger allows what canary does not; change it first: {'; '.join(faults)}")
    return found
