"""The process that makes the load, commanded by `load.Load`: an open loop, arrivals at a set rate whatever is answered.

Nothing is tried a second time: a request on a kept-alive connection that breaks is a lost request, and is counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from canary.sandbox.identity import POD_HEADER, REVISION_HEADER, VERSION_HEADER, WORKLOAD_HEADER
from canary.sandbox.processes import Address, Message, answer_parent, tell_parent


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Broken(Exception):
    """There was no HTTP answer; the message says what there was instead."""


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def plain_request(host: str, path: str) -> bytes:
    """Return a GET."""
    return f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()


def grpc_request(host: str, path: str) -> bytes:
    """Return a unary gRPC call with an empty message, as far as HTTP/1.1 can carry one."""
    lines = (f"POST {path} HTTP/1.1", f"host: {host}", "content-type: application/grpc", "te: trailers")
    return "\r\n".join((*lines, "content-length: 5", "", "")).encode() + bytes(5)


class Client:
    """Sends one and the same request over kept-alive connections; without any retry, unlike the usual libraries."""

    def __init__(self, address: Address, request: bytes) -> None:
        self._address = address
        self._request = request
        self._idle: list[Connection] = []

    async def send(self) -> Answer:
        """Return the answer; raise `Broken` or `OSError` when there is none."""
        reader, writer = connection = await self._connection()
        kept = False
        try:
            writer.write(self._request)
            answer = await _answer(reader)
            kept = answer.headers.get("connection") != "close"
        finally:
            if kept:
                self._idle.append(connection)
            else:
                writer.close()
        return answer

    async def _connection(self) -> Connection:
        while self._idle:
            reader, writer = connection = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return connection
            writer.close()
        return await asyncio.open_connection(*self._address)


async def _answer(reader: asyncio.StreamReader) -> Answer:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        return Answer(int(first.split(" ", 2)[1]), headers, body)
    except asyncio.IncompleteReadError as err:
        raise Broken("connection closed before the answer") from err
    except (ValueError, LookupError, asyncio.LimitOverrunError) as err:
        raise Broken(f"unreadable answer: {err!r}") from err


class Counts:
    """What was counted since the last report."""

    def __init__(self) -> None:
        self.sources: dict[tuple[str, str, str], tuple[Counter[int], Counter[float], Counter[int]]] = {}
        self.losses: Counter[str] = Counter()
        self.skipped = 0

    def answered(self, answer: Answer, latency_ms: float) -> None:
        """Count an answer: by its pod's source, or as lost when no pod made it."""
        headers = answer.headers
        if POD_HEADER not in headers:
            self.losses[f"{answer.status} {answer.body[:80].decode('latin-1')}"] += 1
            return
        source = (headers[WORKLOAD_HEADER], headers[REVISION_HEADER], headers[VERSION_HEADER])
        codes, latencies, grpc = self.sources.setdefault(source, (Counter(), Counter(), Counter()))
        codes[answer.status] += 1
        latencies[_rounded(latency_ms)] += 1
        if answer.status < 500 and "grpc-status" in headers:
            grpc[int(headers["grpc-status"])] += 1

    def message(self) -> Message:
        """Return the counts as JSON."""
        return {
            "sources": [
                [*source, *(list(counted.items()) for counted in counters)] for source, counters in self.sources.items()
            ],
            "losses": self.losses,
            "skipped": self.skipped,
        }


def _rounded(milliseconds: float) -> float:
    """Keep two or three digits, so that few different values are sent and stored."""
    return round(milliseconds, 1) if milliseconds < 100 else float(round(milliseconds))


class Generator:
    """Sends requests from the first message on, and reports its counts at a fixed interval and whenever asked."""

    def __init__(self, settings: Message) -> None:
        self._settings = settings
        request = grpc_request if settings["grpc"] else plain_request
        made = request(settings["authority"], settings["path"])
        self._client = Client((settings["host"], settings["port"]), made)
        self._loop = asyncio.get_running_loop()
        self._counts = Counts()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._reported = self._loop.time()
        self._arriving: asyncio.Task[None] | None = None

    async def handle(self, message: Message) -> None:
        """Do what one message asks: `run` (until told otherwise), `mark` (report at once), `finish` (end, report)."""
        match message["do"]:
            case "run":
                async with asyncio.TaskGroup() as tasks:
                    self._arriving = tasks.create_task(self._arrive(tasks))
                    tasks.create_task(self._report_often())
            case "mark":
                self._report(mark=message["mark"])
            case "finish":
                if self._arriving is not None:
                    self._arriving.cancel()
                await asyncio.gather(*self._in_flight)
                self._report(mark=message["mark"])
            case unknown:
                raise ValueError(f"unknown order {unknown!r}")

    async def _arrive(self, tasks: asyncio.TaskGroup) -> None:
        gap, most = 1 / self._settings["rate"], self._settings["max_in_flight"]
        due = self._loop.time()
        while True:
            due += gap
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            if len(self._in_flight) >= most:
                self._counts.skipped += 1
                continue
            task = tasks.create_task(self._one())
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

    async def _one(self) -> None:
        begun = self._loop.time()
        try:
            async with asyncio.timeout(self._settings["timeout"]):
                answer = await self._client.send()
        except TimeoutError:
            self._counts.losses["no answer in time"] += 1
        except Broken as err:
            self._counts.losses[str(err)] += 1
        except OSError as err:
            self._counts.losses[f"connection failed: {err.strerror or err}"] += 1
        else:
            self._counts.answered(answer, (self._loop.time() - begun) * 1000)

    async def _report_often(self) -> None:
        while True:
            await asyncio.sleep(self._settings["interval"])
            self._report()

    def _report(self, mark: int | None = None) -> None:
        now = self._loop.time()
        tell_parent({"seconds": now - self._reported, "mark": mark, **self._counts.message()})
        self._reported, self._counts = now, Counts()


async def _run() -> None:
    await answer_parent(Generator(json.loads(sys.argv[1])).handle)


if __name__ == "__main__":
    asyncio.run(_run())
