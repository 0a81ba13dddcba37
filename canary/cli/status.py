"""`canary status [NAME]`: where canaries stand, as a table or JSON. Not its job: judging; it prints what is stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from canary.cli.canaries import AnyNameArgument, canaries
from canary.cli.options import ContextOption, KubeconfigOption, NamespaceOption, Output, OutputOption, Where
from canary.cli.status_view import console, details, overview


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="status")(status)


def status(  # noqa: PLR0913 - each is a flag that users know by its name
    name: AnyNameArgument = None,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    output: OutputOption = Output.TEXT,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show where canaries stand: all of a namespace in a table, or one in detail."""
    if everywhere and (name or namespace):
        raise typer.BadParameter("-A shows all namespaces: leave out NAME and -n", param_hint="-A")
    where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
    found = asyncio.run(_found(where, name, everywhere=everywhere))
    if output is Output.JSON:
        shown = [as_json(canary) for canary in found]
        print(json.dumps(shown[0] if name else shown, indent=2))
    elif name:
        console().print(details(found[0]))
    elif found:
        console().print(overview(found, with_namespace=everywhere))
    else:
        print('there are no Canaries: annotate a Deployment with canary.delivery/enabled: "true"')


def as_json(canary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `-o json` prints of a Canary: its names and its status, without what only the controller reads."""
    stored: Mapping[str, Any] = canary.get("status") or {}
    return {
        "namespace": canary["metadata"]["namespace"],
        "name": canary["metadata"]["name"],
        "target": (canary.get("spec") or {}).get("targetRef", {}).get("name"),
        "status": {key: value for key, value in stored.items() if key != "memory"},
    }


async def _found(where: Where, name: str | None, *, everywhere: bool) -> Sequence[Mapping[str, Any]]:
    async with canaries(where) as cluster:
        return [await cluster.read(name)] if name else await cluster.listed(everywhere=everywhere)
