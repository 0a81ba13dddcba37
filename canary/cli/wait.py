"""`canary wait NAME`: for pipelines, which go on when a rollout has ended. When that is, awaited.py knows."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import typer

from canary.cli.awaited import Aim, Awaited, Result, Standing
from canary.cli.canaries import NameArgument
from canary.cli.following import Followed, following, named
from canary.cli.options import ContextOption, KubeconfigOption, NamespaceOption, Output, OutputOption, Where, duration
from canary.controller.names import target_of
from canary.errors import NotFound
from canary.ports import CANARY, DEPLOYMENT
from canary.spec.annotations import is_enabled

LOOK_AT_TROUBLE_S = 5.0
"""How often it is looked at whether watches fail: nothing changes then that would tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What is waited for, and how long."""

    name: str
    aim: Aim
    timeout: timedelta


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="wait")(wait)


def wait(  # noqa: PLR0913 - each is a flag that users know by its name
    name: NameArgument,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait at most.")] = "20m",
    revision: Annotated[str, typer.Option("--revision", help="Wait for this revision, as status shows it.")] = "",
    image: Annotated[str, typer.Option("--image", help="Wait until the Deployment has this image, and for that.")] = "",
    output: OutputOption = Output.TEXT,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Wait until what the Deployment is now serves (exit 0), ended otherwise (1), or time is up (3)."""
    if revision and image:
        raise typer.BadParameter("either --revision or --image", param_hint="--image")
    wanted = Wait(
        name=name,
        aim=Aim(image=image, revision=revision),
        timeout=duration(timeout, "--timeout", least=timedelta(seconds=1)),
    )
    where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
    out = sys.stderr if output is Output.JSON else sys.stdout
    standing, place = asyncio.run(_waited(where, wanted, lambda text: print(text, file=out, flush=True)))
    result = standing.result or Result.TIMED_OUT
    if output is Output.JSON:
        shown = {"namespace": place, "name": name, "result": result.value}
        print(json.dumps({**shown, "revision": standing.revision, "message": standing.text}, indent=2))
    else:
        print(f"{place}/{name}: {_WORDS[result]}: {standing.text}")
    if result is not Result.PROMOTED:
        raise typer.Exit(result.exit_status)


_WORDS = {
    Result.PROMOTED: "promoted",
    Result.ENDED: "not promoted",
    Result.TIMED_OUT: "time is up",
}


async def _waited(where: Where, wanted: Wait, say: Callable[[str], None]) -> tuple[Standing, str]:
    """Return how it stood at the end, and in which namespace. Raises NotFound where nothing is to be waited for."""
    kinds = (named(CANARY, wanted.name), named(DEPLOYMENT, await _target(where, wanted.name)))
    async with following(where, kinds) as followed:
        return await until_ended(followed, wanted, say), followed.namespace


async def _target(where: Where, name: str) -> str:
    """Return the name of the Deployment that the Canary is about; that of the Canary while there is none."""
    async with following(where, ()) as followed:
        try:
            return target_of(await followed.canaries.read(name)) or name
        except NotFound:
            return name


async def until_ended(followed: Followed, wanted: Wait, say: Callable[[str], None]) -> Standing:
    """Return how it ended; without a result when time was up. Progress is said line by line, each once."""
    await _something_to_wait_for(followed, wanted.name)
    awaited = Awaited(wanted.aim)
    standing = Standing(text="nothing was seen")
    told = ""
    try:
        async with asyncio.timeout(wanted.timeout.total_seconds()):
            while True:
                canary = followed.get(CANARY, wanted.name)
                deployment = followed.get(DEPLOYMENT, target_of(canary) if canary else wanted.name)
                standing = awaited.look(canary, deployment)
                if standing.result is not None:
                    return standing
                line = f"{standing.text}; {followed.trouble}" if followed.trouble else standing.text
                if line != told:
                    say(line)
                    told = line
                await followed.changed(LOOK_AT_TROUBLE_S)
    except TimeoutError:
        return standing


async def _something_to_wait_for(followed: Followed, name: str) -> None:
    """Raise NotFound, with the Canaries that are there, where there is neither a Canary nor a Deployment to get one."""
    deployment = followed.get(DEPLOYMENT, name)
    if followed.get(CANARY, name) is None and (deployment is None or not is_enabled(deployment)):
        await followed.canaries.read(name)
