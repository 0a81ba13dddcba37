"""The application that runs in a pod of the sandbox: a real HTTP server whose faults are set by its environment.

A new version of it is a changed pod template, nothing else. It behaves well when it is stopped: it goes on serving
until callers have had the time to leave, then finishes what it has begun. Knows nothing of Kubernetes' objects.

To a gRPC request (by its content type) it answers as gRPC does, 200 with the outcome in `grpc-status`: the sandbox
speaks HTTP/1.1, so the status stands in the headers, where a "Trailers-Only" answer has it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from canary.errors import ConfigError
from canary.sandbox.exporter import Exporter
from canary.sandbox.identity import POD_HEADER, REVISION_HEADER, VERSION_HEADER, WORKLOAD_HEADER, Identity
from canary.sandbox.ledger import Ledger, Outcome
from canary.sandbox.runtime import PodCrashed

CUT_OFF = 0.01
"""Seconds for the end of a server whose grace is over; aiohttp takes 0 for no limit."""

KEEP_ALIVE = 7200.0
"""Seconds that an idle connection stays open: longer than Envoy keeps one (an hour), so that Envoy closes first."""

PROBED_EVERY = 1.0
"""Seconds between two of the probes that a kubelet would send, which are counted and not sent."""

OVERLOAD_S = 3.0
"""Seconds over which what ends under load counts requests: those that a busy machine kept waiting come all at once."""

GRPC = "application/grpc"
OK, UNAVAILABLE = 0, 14
"""Two of gRPC's status codes."""

EMPTY_MESSAGE = bytes(5)
"""gRPC's frame of a message without content: not compressed, of length 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How an application behaves. Durations are in seconds; a request takes `latency` plus 0 to `jitter`.

    `error_rate` is the share of requests (0..1) answered by 500, or by gRPC's status 14 (unavailable). With `crash`
    it ends instead of becoming ready, with `crash_after` that long after it became ready, with `crash_above` once it
    was asked more often than so many times a second, over three seconds (None: never). `linger` is how long it goes
    on serving after the stop order, at least; it then waits for `quiet` without a request, at most until
    `linger_limit`.
    """

    error_rate: float = 0.0
    latency: float = 0.0
    jitter: float = 0.0
    startup: float = 0.0
    crash: bool = False
    crash_after: float | None = None
    crash_above: float | None = None
    linger: float = 0.5
    quiet: float = 0.2
    linger_limit: float = 3.0


def behaviour(env: Mapping[str, str]) -> Behaviour:
    """Return the behaviour that a container's environment asks for; what is not set has its default.

    `ERROR_RATE` 0..1, `LATENCY_MS`, `JITTER_MS`, `STARTUP_MS`, `LINGER_MS`, `CRASH_AFTER_MS`, `CRASH_ABOVE_RPS` >= 0,
    `CRASH` "true" or "false".
    Raises `ConfigError` that names the variable.
    """
    usual = Behaviour()
    linger = _seconds(env, "LINGER_MS", usual.linger)
    rate = _number(env, "ERROR_RATE", usual.error_rate)
    if rate > 1:
        raise ConfigError(f"ERROR_RATE is {rate:g}; it is a share between 0 and 1")
    crash = env.get("CRASH", "false")
    if crash not in ("true", "false"):
        raise ConfigError(f"CRASH is {crash!r}; it is true or false")
    return Behaviour(
        error_rate=rate,
        latency=_seconds(env, "LATENCY_MS", usual.latency),
        jitter=_seconds(env, "JITTER_MS", usual.jitter),
        startup=_seconds(env, "STARTUP_MS", usual.startup),
        crash=crash == "true",
        crash_after=_seconds(env, "CRASH_AFTER_MS", 0.0) if "CRASH_AFTER_MS" in env else None,
        crash_above=_number(env, "CRASH_ABOVE_RPS", 0.0) if "CRASH_ABOVE_RPS" in env else None,
        linger=linger,
        linger_limit=max(usual.linger_limit, linger),
    )


def _seconds(env: Mapping[str, str], name: str, usual: float) -> float:
    return _number(env, name, usual * 1000) / 1000


def _number(env: Mapping[str, str], name: str, usual: float) -> float:
    text = env.get(name)
    if text is None:
        return usual
    try:
        value = float(text)
    except ValueError as err:
        raise ConfigError(f"{name} is {text!r}; it is a number") from err
    if not 0 <= value < float("inf"):
        raise ConfigError(f"{name} is {text!r}; it is a number from 0 up")
    return value


class Application:
    """One pod's application. `start` it once, `stop` it once."""

    def __init__(self, identity: Identity, wanted: Behaviour, exporter: Exporter) -> None:
        self._identity = identity
        self._behaviour = wanted
        self._exporter = exporter
        self._ledger = Ledger(exporter.edges_ms)
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._closing = False
        self._last_request = 0.0
        self._lately = deque[float]()
        self._ready_at = 0.0
        self._server = web.Server(self._answer, access_log=None, keepalive_timeout=KEEP_ALIVE)
        self._listener: asyncio.Server | None = None
        self._headers = {
            POD_HEADER: identity.name,
            WORKLOAD_HEADER: identity.workload,
            REVISION_HEADER: identity.revision,
            VERSION_HEADER: identity.version,
        }

    async def start(self) -> int:
        """Return the port of 127.0.0.1 that it serves on, once it is ready. Raises `PodCrashed`."""
        try:
            async with asyncio.timeout(self._behaviour.startup):
                await self._stopping.wait()
        except TimeoutError:
            pass
        else:
            raise PodCrashed(f"{self._identity.name} was stopped before it was ready")
        if self._behaviour.crash:
            raise PodCrashed(f"{self._identity.name} ended at its start, as its CRASH asks")
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, "127.0.0.1", 0, backlog=1024)
        if self._behaviour.crash_after is not None:
            loop.call_later(self._behaviour.crash_after, self._crash)
        self._ready_at = loop.time()
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def stop(self, grace: float) -> None:
        """Serve until callers have left, finish what was begun, and close; cut off what is left after `grace` seconds.

        Callers learn that the pod goes when its endpoint goes, as long after the order as the mesh takes to tell them.
        """
        self._stopping.set()
        if self._listener is None or self._ended.is_set():
            return
        loop = asyncio.get_running_loop()
        ordered = loop.time()
        wanted = self._behaviour
        await asyncio.sleep(min(wanted.linger, grace))
        self._closing = True
        until = ordered + min(wanted.linger_limit, grace)
        while (rest := min(until, self._last_request + wanted.quiet) - loop.time()) > 0:  # noqa: ASYNC110 - cheap
            await asyncio.sleep(rest)
        self._listener.close()
        self._server.pre_shutdown()
        await self._server.shutdown(max(CUT_OFF, ordered + grace - loop.time()))
        self._ended.set()

    async def ended(self) -> None:
        """Wait until it has ended, by itself or stopped."""
        await self._ended.wait()

    def _crash(self) -> None:
        """End as a killed process does: without an answer to anybody."""
        if self._listener is not None:
            self._listener.close()
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        self._ended.set()

    def _overloaded(self, now: float) -> bool:
        """Count a request, and return whether of late there were more of them than it stands."""
        if self._behaviour.crash_above is None:
            return False
        self._lately.append(now)
        while self._lately[0] <= now - OVERLOAD_S:
            self._lately.popleft()
        return len(self._lately) > self._behaviour.crash_above * OVERLOAD_S

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/metrics":
            self._ledger.probes = int((asyncio.get_running_loop().time() - self._ready_at) / PROBED_EVERY)
            lines = self._exporter.lines(self._identity, self._ledger)
            return web.Response(text="".join(f"{line}\n" for line in lines), content_type="text/plain")
        loop = asyncio.get_running_loop()
        begun = self._last_request = loop.time()
        if self._overloaded(begun):
            self._crash()
        takes = self._behaviour.latency + random.uniform(0, self._behaviour.jitter)
        if takes:
            await asyncio.sleep(takes)
        failed = random.random() < self._behaviour.error_rate
        answer, outcome = self._said(request, failed=failed)
        self._ledger.add(outcome, (loop.time() - begun) * 1000)
        if self._closing:
            answer.force_close()
        return answer

    def _said(self, request: web.BaseRequest, *, failed: bool) -> tuple[web.Response, Outcome]:
        host = request.headers.get("host", "")
        if not request.content_type.startswith(GRPC):
            outcome = Outcome(host, 500 if failed else 200)
            return web.Response(status=outcome.code, headers=self._headers, text=f"{self._identity.name}\n"), outcome
        status = UNAVAILABLE if failed else OK
        headers = {**self._headers, "content-type": GRPC, "grpc-status": str(status)}
        return web.Response(headers=headers, body=b"" if failed else EMPTY_MESSAGE), Outcome(host, 200, status)
