"""The command `canary`: its sub-commands, and how errors reach a person.

What went wrong is one sentence on standard error, with exit status 1; wrong usage is exit status 2.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from canary import __version__
from canary.cli import commands, demo, doctor, history, lint, migrate, plan, run, status, wait, watch
from canary.errors import CanaryError
from canary.spec.crd import crd_yaml

app = typer.Typer(
    name="canary",
    help="Progressive delivery for Kubernetes: ship a new version to a small share of the traffic first.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Progressive delivery for Kubernetes: ship a new version to a small share of the traffic first."""


@app.command()
def crd() -> None:
    """Print the CustomResourceDefinition of the Canary resource."""
    sys.stdout.write(crd_yaml())


demo.register(app)
run.register(app)
status.register(app)
lint.register(app)
plan.register(app)
wait.register(app)
history.register(app)
watch.register(app)
doctor.register(app)
migrate.register(app)
commands.register(app)


def main() -> None:
    """Run the command line and end the process with its exit status."""
    try:
        app()
    except CanaryError as error:
        _fail([str(error)])
    except BaseExceptionGroup as group:
        ours, others = group.split(CanaryError)
        if ours is None or others is not None:
            raise
        _fail(_texts(ours))


def _fail(texts: list[str]) -> None:
    for text in dict.fromkeys(texts):
        print(f"canary: {text}", file=sys.stderr)
    sys.exit(1)


def _texts(group: BaseExceptionGroup[CanaryError]) -> list[str]:
    """Return the message of each error in a group of groups."""
    found: list[str] = []
    for error in group.exceptions:
        found += _texts(error) if isinstance(error, BaseExceptionGroup) else [str(error)]
    return found
