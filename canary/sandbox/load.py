"""The sandbox's clients: requests at a set rate through the data plane, counted by who answered them.

The requests are made in a process of their own (`load_process`), so that a busy controller does not slow them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from canary.errors import CanaryError
from canary.sandbox.load_counts import LoadSample, sample
from canary.sandbox.processes import Address, Child, end, python_module


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """How the load is made.

    `rate` is in requests a second (> 0), `timeout` and `interval` (between two samples) in seconds. A request that is
    due while `max_in_flight` others are unanswered is skipped and counted as such. With `grpc` the requests are gRPC's.
    """

    rate: float = 200.0
    max_in_flight: int = 512
    timeout: float = 5.0
    interval: float = 0.25
    path: str = "/"
    grpc: bool = False


class Load:
    """Requests to `host` (the Service's full name) at `address` (the data plane's). Use it with `async with`.

    Once it is entered requests are sent; `finish` ends it with nothing in flight, leaving ends it at once.
    Entering raises Unavailable when the process that makes them ends before.
    """

    def __init__(self, address: Address, host: str, settings: LoadSettings | None = None) -> None:
        told = {**dataclasses.asdict(settings or LoadSettings()), "host": address[0], "port": address[1]}
        command = [*python_module("canary.sandbox.load_process"), json.dumps({**told, "authority": host})]
        self._child = Child("the load of the sandbox", command)
        self._resources = AsyncExitStack()
        self._marks = itertools.count()
        self._marked: dict[int, asyncio.Future[LoadSample]] = {}
        self._queues: set[asyncio.Queue[LoadSample | None]] = set()
        self._total = LoadSample()
        self._window = LoadSample()
        self._gone: CanaryError | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            await resources.enter_async_context(self._child)
            task = asyncio.create_task(self._listen(), name="sandbox load")
            resources.push_async_callback(end, task)
            self._child.send({"do": "run"})
            await self.mark()  # answered once the process is up, which may take it seconds on a busy machine
            self._resources = resources.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    @property
    def pid(self) -> int:
        """The process that makes the requests."""
        return self._child.pid

    @property
    def total(self) -> LoadSample:
        """All that was counted since the start, up to the last report."""
        return self._total

    @property
    def window(self) -> LoadSample:
        """What was counted since the last `mark`, up to the last report."""
        return self._window

    async def samples(self) -> AsyncIterator[LoadSample]:
        """Yield what is counted from now on, a sample each `interval` and at each mark; raise when the load breaks."""
        queue: asyncio.Queue[LoadSample | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            while self._gone is None:
                found = await queue.get()
                if found is not None:
                    yield found
        finally:
            self._queues.discard(queue)
        raise self._gone

    async def mark(self) -> LoadSample:
        """Begin a new window now; return exactly what was counted in the one that ends."""
        return await self._asked("mark")

    async def finish(self) -> LoadSample:
        """Send no more, wait for what is unanswered (at most its time-out), and return all that was counted."""
        await self._asked("finish")
        return self._total

    async def _asked(self, what: str) -> LoadSample:
        if self._gone is not None:
            raise self._gone
        mark = next(self._marks)
        marked: asyncio.Future[LoadSample] = asyncio.get_running_loop().create_future()
        self._marked[mark] = marked
        try:
            self._child.send({"do": what, "mark": mark})
            return await marked
        finally:
            del self._marked[mark]

    async def _listen(self) -> None:
        async for message in self._child.messages():
            found = sample(message)
            self._total = self._total.plus(found)
            self._window = self._window.plus(found)
            for queue in self._queues:
                queue.put_nowait(found)
            if message["mark"] is not None:
                ended, self._window = self._window, LoadSample()
                marked = self._marked.get(message["mark"])
                if marked is not None and not marked.done():
                    marked.set_result(ended)
        self._gone = self._child.failure("the process that makes the load has ended")
        for marked in self._marked.values():
            if not marked.done():
                marked.set_exception(self._gone)
        for queue in self._queues:
            queue.put_nowait(None)
