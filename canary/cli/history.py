"""`canary history NAME`: the rollouts that ended, newest first, and why. Not its job: the one that runs (status)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import typer
from rich.console import RenderableType
from rich.text import Text

from canary.cli.canaries import NameArgument, canaries
from canary.cli.options import ContextOption, KubeconfigOption, NamespaceOption, Output, OutputOption, Where
from canary.cli.status_view import console, plain, table
from canary.spec.units import format_duration

HEADS = ("REVISION", "OUTCOME", "HIGHEST", "STARTED", "TOOK", "IMAGE", "MESSAGE")
OUTCOME_STYLE: Mapping[str, str] = {"promoted": "green", "rolled_back": "red"}


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="history")(history)


def history(
    name: NameArgument,
    output: OutputOption = Output.TEXT,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show past rollouts, newest first, and why each ended."""
    where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
    canary = asyncio.run(_read(where, name))
    past: Sequence[Mapping[str, Any]] = (canary.get("status") or {}).get("history") or ()
    if output is Output.JSON:
        print(json.dumps(past, indent=2))
    elif past:
        console().print(drawn(past))
    else:
        print(f"{canary['metadata']['namespace']}/{name}: no rollout has ended yet")


async def _read(where: Where, name: str) -> Mapping[str, Any]:
    async with canaries(where) as cluster:
        return await cluster.read(name)


def drawn(past: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return a line for each past rollout."""
    lines = table(*HEADS)
    for one in past:
        outcome = Text(str(one.get("outcome", "-")), style=OUTCOME_STYLE.get(str(one.get("outcome")), "yellow"))
        highest = f"{one['highestWeight']} %" if "highestWeight" in one else None
        cells = (highest, one.get("startedAt"), _took(one), one.get("image"), one.get("message"))
        lines.add_row(plain(one.get("revision")), outcome, *map(plain, cells))
    return lines


def _took(one: Mapping[str, Any]) -> str | None:
    try:
        began, ended = (datetime.fromisoformat(str(one[key])) for key in ("startedAt", "endedAt"))
        return format_duration(timedelta(seconds=round((ended - began).total_seconds())))
    except (KeyError, ValueError, TypeError):
        return None
