"""Child processes that cannot outlive the program that started them.

Whatever ends the parent, its end of a child's standard input closes, and the children end at that. Each child has a
session of its own, so that Ctrl-C at a terminal reaches only the parent, which then stops them in order. What a child
says on standard error goes to a file without a name, which is shown when the child fails.
Knows nothing of pods, Envoy or load.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, BinaryIO, Self, cast

from canary.errors import Unavailable

Message = Mapping[str, Any]

Address = tuple[str, int]
"""A host and a port that can be connected to."""

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that the kernel sends to this process when the thread that started it ends."""

LINE_LIMIT = 4 * 1024 * 1024


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends. Does nothing where there is no such call."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A child process that speaks lines of JSON. Use it with `async with`; leaving kills it if it does not end.

    `name` is for messages. `patience` is the number of seconds that it has to end by itself when its input closes.
    """

    def __init__(self, name: str, argv: Sequence[str], *, patience: float = 5.0) -> None:
        self.name = name
        self._argv = argv
        self._patience = patience
        self._process: asyncio.subprocess.Process | None = None
        self._log: BinaryIO | None = None

    async def __aenter__(self) -> Self:
        self._log = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed in __aexit__
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
                limit=LINE_LIMIT,
            )
        except BaseException:
            self._log.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._running()
        try:
            cast(asyncio.StreamWriter, process.stdin).close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience):
                    await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            cast(BinaryIO, self._log).close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    def send(self, message: Message) -> None:
        """Hand over one message. A child that has ended does not get it; `messages` tells of its end."""
        stdin = cast(asyncio.StreamWriter, self._running().stdin)
        if not stdin.is_closing():
            stdin.write(json.dumps(message).encode() + b"\n")

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what the child says, until its output ends."""
        stdout = cast(asyncio.StreamReader, self._running().stdout)
        async for line in stdout:
            yield json.loads(line)

    def failure(self, what: str) -> Unavailable:
        """Return an error that says what went wrong, with the last that the child wrote on standard error."""
        log = cast(BinaryIO, self._log)
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - 4000))
        said = log.read().decode(errors="replace").strip() or "it wrote nothing"
        return Unavailable(f"{self.name}: {what}; last lines of its log:\n{said}")

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} is used outside its `async with`")
        return self._process


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended; an error that it ended with is raised."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def python_module(module: str) -> list[str]:
    """Return the command that runs a module of ours in the Python that runs now."""
    return [sys.executable, "-m", module]


async def answer_parent(handle: Callable[[Message], Coroutine[None, None, None]]) -> None:
    """Be the child: run `handle` for each message from the parent, each in a task of its own, until the parent ends.

    The parent's end cancels what still runs. An exception out of `handle` ends the process, with its traceback in the
    log that the parent shows.
    """
    die_with_parent()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        async with asyncio.TaskGroup() as tasks:
            async for line in reader:
                tasks.create_task(handle(json.loads(line)))
            raise _ParentIsGone
    except* _ParentIsGone:
        pass


class _ParentIsGone(Exception):
    """Our input was closed."""


def tell_parent(message: Message) -> None:
    """Be the child: say one message to the parent."""
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()
