"""Runs a command line as `canary` does, in this process."""

from __future__ import annotations

from dataclasses import dataclass

import typer
from typer.testing import CliRunner

from canary.cli import commands, doctor, history, lint, migrate, plan, status, wait, watch
from canary.errors import CanaryError

app = typer.Typer()
status.register(app)
commands.register(app)
lint.register(app)
plan.register(app)
wait.register(app)
history.register(app)
watch.register(app)
doctor.register(app)
migrate.register(app)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it ended: `error` is the one sentence that `canary` prints for a CanaryError, with exit status 1."""

    status: int
    out: str
    error: str = ""


def run(*words: object, given: str | None = None) -> Ended:
    """Run `canary WORDS` with `given` on standard input. An error that is no CanaryError goes through."""
    result = CliRunner(env={"COLUMNS": "120"}).invoke(app, [str(word) for word in words], input=given)
    if isinstance(result.exception, CanaryError):
        return Ended(status=1, out=result.stdout, error=str(result.exception))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(status=result.exit_code, out=result.stdout, error=result.stderr)
