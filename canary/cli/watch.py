"""`canary watch NAME`: one rollout as it happens. On a terminal the whole screen, elsewhere a line for each change."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from canary.cli.awaited import Aim, Awaited, Result, Standing
from canary.cli.canaries import NameArgument
from canary.cli.following import Followed, Wanted, following, named
from canary.cli.options import ContextOption, KubeconfigOption, NamespaceOption, Output, OutputOption, Where
from canary.cli.status import as_json
from canary.cli.watch_view import Lines, screen
from canary.cli.watched import Objects, Traces, View, view
from canary.controller.names import target_of
from canary.ports import CANARY, DEPLOYMENT, EVENT, POD

REDRAWN_S = 1.0
"""How often the screen is drawn anew when nothing changes: its times go on."""

INTERRUPTED = 130
TERMINATED = 143
"""Exit statuses, as shells have them, of a watch that a person or a program ended before the rollout did."""

KINDS = (Wanted(kind=POD), Wanted(kind=DEPLOYMENT), Wanted(kind=EVENT, of="involvedObject.kind=Canary"))


Draw = Callable[[View], None]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="watch")(watch)


def watch(  # noqa: PLR0913 - each is a flag that users know by its name
    name: NameArgument,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="End with the rollout, with the exit status of `canary wait`.")
    ] = False,
    output: OutputOption = Output.TEXT,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show one rollout as it happens: steps, split, checks, pods, events, and what it waits for."""
    where = Where(kubeconfig=kubeconfig, context=context, namespace=namespace)
    console = Console(highlight=False, markup=False)
    try:
        drawing = _drawing(console) if output is Output.TEXT else nullcontext(_Objects())
        standing = asyncio.run(_watched(where, name, drawing, until_done=until_done))
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error
    except asyncio.CancelledError as error:
        raise typer.Exit(TERMINATED) from error
    if standing.result is not Result.PROMOTED:
        raise typer.Exit((standing.result or Result.ENDED).exit_status)


async def _watched(
    where: Where, name: str, drawing: AbstractAsyncContextManager[Draw], *, until_done: bool
) -> Standing:
    task = asyncio.current_task()
    if task is not None and threading.current_thread() is threading.main_thread():
        # Without a word from it the terminal would be left as the full screen.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with following(where, (named(CANARY, name), *KINDS)) as followed:
        await followed.canaries.read(name)  # a name that is not there is told before the screen is taken
        async with drawing as draw:
            return await until_over(followed, name, draw, until_done=until_done)


async def until_over(followed: Followed, name: str, draw: Draw, *, until_done: bool) -> Standing:
    """Draw each change until the rollout is over; without `until_done` until the Canary is gone."""
    awaited, traces = Awaited(Aim()), Traces()
    while True:
        canary = followed.get(CANARY, name)
        deployment = followed.get(DEPLOYMENT, target_of(canary)) if canary is not None else None
        if canary is not None:
            objects = Objects(
                canary=canary,
                deployment=deployment,
                pods=followed.listed(POD),
                events=followed.listed(EVENT),
                now=followed.now(),
            )
            draw(view(objects, traces, followed.trouble))
        standing = awaited.look(canary, deployment)
        if standing.result is not None and (until_done or canary is None):
            return standing
        await followed.changed(REDRAWN_S)


@asynccontextmanager
async def _drawing(console: Console) -> AsyncIterator[Draw]:
    """Return how a view is shown: on the whole screen of a terminal, whose last picture stays, or line by line."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    shown: list[View] = []
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def draw(now: View) -> None:
            shown[:] = [now]
            live.update(screen(now, console.width), refresh=True)

        try:
            yield draw
        finally:
            live.stop()
            for last in shown:
                console.print(screen(last, console.width))


class _Objects:
    """Prints each change as one line of JSON, as `canary status NAME -o json` has it."""

    def __init__(self) -> None:
        self._last: object = None

    def __call__(self, now: View) -> None:
        shown = as_json(now.canary)
        if shown != self._last:
            self._last = shown
            print(json.dumps(shown), flush=True)


class _Lines:
    """Prints what is new as lines: see `Lines`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines = Lines()

    def __call__(self, now: View) -> None:
        for text in self._lines.fresh(now):
            self._console.out(text, highlight=False)
