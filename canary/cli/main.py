"""The command `canary`: its sub-commands, and how errors reach a person.

What went wrong is one sentence on standard error, with exit status 1; wrong usage is exit status 2.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from canary import __version__
from canary.cli.loading import Commands
from canary.errors import CanaryError

PLUGIN = "kubectl-canary"
NO_FILES = ":4"

app = typer.Typer(
    name="canary",
    cls=Commands,
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


def called() -> str:
    """Return what a person calls this command: `kubectl canary` where kubectl runs it as its plugin."""
    return "kubectl canary" if Path(sys.argv[0]).stem == PLUGIN else "canary"


def completes_kubectl() -> None:
    """Print what may come next for `kubectl canary`, as kubectl asks a plugin: the words so far are the arguments.

    https://kubernetes.io/docs/reference/kubectl/generated/kubectl_plugin/ (`kubectl_complete-NAME`): a completion a
    line, then a colon and what the shell is to do with them; 4 lets it offer no files instead.
    """
    words = sys.argv[1:]
    asked = {"COMP_WORDS": shlex.join(["canary", *words]), "COMP_CWORD": str(max(1, len(words)))}
    os.environ.update({"_CANARY_COMPLETE": "complete_bash", **asked})
    try:
        app(prog_name="canary")
    finally:
        print(NO_FILES)


def main() -> None:
    """Run the command line and end the process with its exit status."""
    try:
        app(prog_name=called())
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
