"""The command `canary`: its sub-commands, and how errors reach a person.

What went wrong is one sentence on standard error, with exit status 1; wrong usage is exit status 2.
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from canary import __version__
from canary.cli.loading import Commands
from canary.cli.printing import NobodyReads, taken_over
from canary.errors import CanaryError

PLUGIN = "kubectl-canary"
NO_FILES = ":4"
SAY_ENOUGH = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENOENT)
"""Errors of files that say enough by themselves; the last is tempfile's too, without a name where no place is left."""
BARRED = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""Those that are of a file only where they name it."""

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

    def completed() -> None:
        try:
            app(prog_name="canary")
        finally:
            print(NO_FILES)

    sys.exit(_ended(completed))


def main() -> None:
    """Run the command line and end the process with its exit status."""
    sys.exit(_ended(lambda: app(prog_name=called())))


def _ended(command: Callable[[], object]) -> str | int | None:
    """Run a command, say on standard error what went wrong, and return the exit status."""
    status: str | int | None = None
    texts: list[str] = []
    with taken_over() as printed:
        try:
            command()
        except SystemExit as told:
            status = told.code
        except (CanaryError, OSError, BaseExceptionGroup) as error:
            found = [_text(one) for one in _each(error)]
            if None in found:
                raise
            texts = [text for text in found if text is not None]
        if fault := printed.finish():
            texts.append(_text(fault) or "")
    for text in dict.fromkeys(filter(None, texts)):
        print(f"canary: {text}", file=sys.stderr)
    return 1 if texts else status


def _each(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, or each one in a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _each(one)
    else:
        yield error


def _text(error: BaseException) -> str | None:
    """Return what a person is told of an error, "" for nothing, None for a fault of ours, whose trace tells more."""
    if isinstance(error, NobodyReads):
        return ""
    if isinstance(error, CanaryError):
        return str(error)
    if isinstance(error, OSError) and (error.errno in SAY_ENOUGH or (error.errno in BARRED and error.filename)):
        return f"{error.filename or 'a file'} cannot be used: {error.strerror}"
    return None
