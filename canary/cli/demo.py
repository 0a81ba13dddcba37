"""`canary demo`: the main job on a bare machine, shown live."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import signal
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from canary.cli.screen import View, plain, render, summary
from canary.errors import CanaryError, ConfigError
from canary.logs import LogFormat, set_up
from canary.sandbox.load_counts import LoadSample
from canary.sandbox.rig import Rig, RigSettings, rig
from canary.sandbox.slack import PostedMessage
from canary.sandbox.story import Story

RECENT = 6
"""How many samples of the load, of a quarter of a second each, are shown as the present."""

PLAIN_EVERY_S = 3.0
DRAW_EVERY_S = 0.25

INTERRUPTED = 130
"""The exit status that shells give to what was interrupted."""


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="demo")(demo)


def demo(
    mesh: Annotated[str, typer.Option("--mesh", help="Which mesh's routes and metrics to use.")] = "istio",
    grpc: Annotated[bool, typer.Option("--grpc", help="Let the shop and its clients speak gRPC.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, no more.")] = False,
    rate: Annotated[float, typer.Option("--rate", min=20, max=1000, help="Requests a second.")] = 200.0,
    picture: Annotated[Path | None, typer.Option("--picture", help="Keep a picture of the rollback here, SVG.")] = None,
) -> None:
    """Ship a good version and a bad one on this machine, with real traffic through a real Envoy.

    Exit status 0 only if the good one was promoted, the bad one rolled back, and no request was lost; 130 when
    interrupted.
    """
    console = Console(stderr=as_json)
    if picture is not None:
        _begin(picture)
    with tempfile.NamedTemporaryFile("w", prefix="canary-demo-", suffix=".log", delete=False) as log:
        set_up(LogFormat.JSON, stream=log, level=logging.INFO)  # type: ignore[arg-type]
        try:
            wanted = RigSettings(mesh=mesh, rate=rate, grpc=grpc)
            faults = asyncio.run(_demo(wanted, console, as_json=as_json, picture=picture))
        except (KeyboardInterrupt, asyncio.CancelledError):  # the second is SIGTERM
            Path(log.name).unlink()
            print("canary: the demo was interrupted; all that it ran has ended", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
    if faults:
        print(f"canary: the demo did not end as it should; the controller's log is {log.name}", file=sys.stderr)
        raise typer.Exit(1)
    Path(log.name).unlink()


def _begin(picture: Path) -> None:
    """Try the place of the picture before a demo of minutes. Raises ConfigError where nothing can be written."""
    try:
        was_there = picture.exists()
        picture.open("ab").close()
        if not was_there:
            picture.unlink()
    except OSError as error:
        raise _no_picture(picture, error) from error


def _no_picture(picture: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{picture} cannot be written: {error.strerror}; name another place with --picture")


async def _demo(wanted: RigSettings, console: Console, *, as_json: bool, picture: Path | None) -> list[str]:
    """Run the story and show it; return what was not as it should be."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    async with rig(wanted) as parts:
        show = _Show(parts, console, picture)
        async with show.running():
            outcome = await show.story.tell()
    console.print(summary(outcome), soft_wrap=True)
    if as_json:
        print(json.dumps(outcome.as_json()))
    return outcome.faults()


class _Show:
    """Gathers what happens and draws it: live on a terminal, as lines elsewhere."""

    def __init__(self, parts: Rig, console: Console, picture: Path | None) -> None:
        self.console = console
        self.view = View(mesh=parts.mesh)
        self._parts = parts
        self._picture = picture
        self._began = asyncio.get_running_loop().time()
        self._recent: deque[LoadSample] = deque(maxlen=RECENT)
        self._said: list[str] = []
        self._slack: list[str] = []
        self._heads: dict[str, str] = {}
        self.story = Story(parts, self.say)
        parts.slack.subscribe(self._posted)

    @property
    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def say(self, text: str) -> None:
        """Show one sentence of the story."""
        self._line(self._said, text)

    def _posted(self, message: PostedMessage) -> None:
        first, *_ = message.plain().splitlines()
        if self._heads.get(message.ts) != first:  # most updates change only what stands below
            self._heads[message.ts] = first
            self._line(self._slack, first, prefix="Slack: ")

    def _line(self, lines: list[str], text: str, prefix: str = "") -> None:
        line = f"{self._elapsed:6.1f} s  {text}"
        lines.append(line)
        if not self.console.is_terminal:
            self.console.print(f"{self._elapsed:6.1f} s  {prefix}{text}", soft_wrap=True, highlight=False, markup=False)

    def sample(self) -> None:
        """Bring the view up to date."""
        recent = LoadSample()
        for one in self._recent:
            recent = recent.plus(one)
        self.view.elapsed_s = self._elapsed
        self.view.status = self.story.status
        self.view.sample = recent
        self.view.total = self._parts.load.total
        self.view.said, self.view.slack = self._said, self._slack

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Draw until the block ends."""
        async with contextlib.AsyncExitStack() as stack:
            tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._draw(stack))]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                _, drawn = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(drawn, CanaryError):
            raise drawn

    async def _listen(self) -> None:
        async for sample in self._parts.load.samples():
            self._recent.append(sample)

    async def _draw(self, stack: contextlib.AsyncExitStack) -> None:
        live = stack.enter_context(Live(console=self.console, auto_refresh=False)) if self.console.is_terminal else None
        while True:
            await asyncio.sleep(DRAW_EVERY_S if live else PLAIN_EVERY_S if self._picture is None else DRAW_EVERY_S)
            self.sample()
            if live:
                live.update(render(self.view), refresh=True)
            elif self._picture is None:
                self.console.print(plain(self.view), soft_wrap=True, highlight=False, markup=False)
            if self._picture is not None and self.view.status.get("phase") == "RollingBack":
                self._keep_picture(self._picture)
                self._picture = None

    def _keep_picture(self, path: Path) -> None:
        recorder = Console(record=True, width=118, file=io.StringIO(), force_terminal=True)
        recorder.print(render(self.view))
        try:
            recorder.save_svg(str(path), title="make demo")
        except OSError as error:
            raise _no_picture(path, error) from error
