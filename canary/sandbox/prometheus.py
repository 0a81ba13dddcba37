"""Prometheus for the embedded cluster: the real one when it is on the PATH, else the scraper. Both answer at a URL."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import yaml

from canary.errors import ConfigError, Unavailable
from canary.ports import Clock
from canary.sandbox.processes import Child, end
from canary.sandbox.query_api import serve_queries
from canary.sandbox.scraper import Scraper, Target, Targets
from canary.sandbox.tsdb import Store

READY_WITHIN = 30.0
PORTS_TRIED = 3
SETTLED = 0.1

# The shell stands between, because Prometheus itself does not end when its input does.
_GUARD = 'exec 3<&0; "$@" </dev/null & child=$!; (cat <&3; kill -KILL $child) >/dev/null 2>&1 & wait $child'


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsServer:
    """Where queries are answered; `real` says whether by Prometheus itself."""

    url: str
    real: bool


@asynccontextmanager
async def metrics_server(
    targets: Targets,
    clock: Clock,
    *,
    interval: timedelta = timedelta(seconds=1),
    real: bool | None = None,
) -> AsyncIterator[MetricsServer]:
    """Scrape what `targets` returns, asked anew each interval, and answer queries while inside.

    `real` True insists on Prometheus (`ConfigError` when it is not on the PATH), False on the scraper, None takes what
    there is. The real one has the machine's clock, so `clock` must show the same time; and it notices new and vanished
    targets some five seconds late (its discovery is throttled), which the scraper does not.
    """
    program = None if real is False else shutil.which("prometheus")
    if program is None:
        if real:
            raise ConfigError("prometheus is not on the PATH: install it, or let the sandbox scrape by itself")
        async with _own(targets, clock, interval) as url:
            yield MetricsServer(url=url, real=False)
    else:
        async with _prometheus(program, targets, interval) as url:
            yield MetricsServer(url=url, real=True)


@asynccontextmanager
async def _own(targets: Targets, clock: Clock, interval: timedelta) -> AsyncIterator[str]:
    store = Store()
    scraper = Scraper(targets, store, clock, interval=interval)
    async with serve_queries(store, clock) as url, _beside(scraper.run()):
        yield url


@asynccontextmanager
async def _prometheus(program: str, targets: Targets, interval: timedelta) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="canary-prometheus-") as name:
        discovered = Path(name) / "targets.json"
        _write_targets(discovered, targets())
        config = _config(discovered, interval)
        async with (
            prometheus_process(program, Path(name), config, "--scrape.discovery-reload-interval=1s") as url,
            _beside(_keep_written(discovered, targets, interval)),
        ):
            yield url


@asynccontextmanager
async def prometheus_process(
    program: str, folder: Path, config: Mapping[str, object], *flags: str
) -> AsyncIterator[str]:
    """Run Prometheus with this configuration and its data in `folder` while inside; yield its URL when it is ready.

    It ends with this process, however that ends. Raises `Unavailable` with its log when it does not come up.
    """
    (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    arguments = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--log.level=warn",
        *flags,
    ]
    async with AsyncExitStack() as resources:
        yield await _started(arguments, resources)


async def _started(arguments: Sequence[str], resources: AsyncExitStack) -> str:
    """Start Prometheus on a free port; return its URL. Somebody may take the port first: then another one is tried."""
    for attempt in range(1, PORTS_TRIED + 1):
        address = f"127.0.0.1:{_free_port()}"
        async with AsyncExitStack() as attempted:
            command = ["sh", "-c", _GUARD, "sh", *arguments, f"--web.listen-address={address}"]
            child = await attempted.enter_async_context(Child("prometheus", command))
            try:
                await _until_ready(child, f"http://{address}")
            except Unavailable:
                if attempt == PORTS_TRIED:
                    raise
                continue
            resources.push_async_exit(attempted.pop_all())
        return f"http://{address}"
    raise AssertionError("the last attempt returns or raises")


def _config(discovered: Path, interval: timedelta) -> dict[str, object]:
    every = f"{round(interval.total_seconds() * 1000)}ms"
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every},
        "scrape_configs": [
            {
                "job_name": "sandbox",
                "honor_timestamps": False,
                "file_sd_configs": [{"files": [str(discovered)]}],
                "relabel_configs": [
                    # The path and the scheme come with the target, as in the annotations of a pod.
                    {"source_labels": ["__canary_path"], "target_label": "__metrics_path__"},
                    {"source_labels": ["__canary_scheme"], "target_label": "__scheme__"},
                ],
            }
        ],
    }


def _write_targets(path: Path, targets: Iterable[Target]) -> None:
    """Write the file in one step: Prometheus reads it as soon as it changes."""
    groups = []
    for target in targets:
        address = urlsplit(target.url)
        labels = {**target.labels, "__canary_path": address.path or "/", "__canary_scheme": address.scheme}
        groups.append({"targets": [address.netloc], "labels": labels})
    text = json.dumps(groups, sort_keys=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)


async def _keep_written(path: Path, targets: Targets, interval: timedelta) -> None:
    while True:
        await asyncio.sleep(interval.total_seconds())
        _write_targets(path, targets())


async def _until_ready(child: Child, url: str) -> None:
    """Return when Prometheus is ready; raises `Unavailable` with its log when it ends or takes too long."""

    async def ended() -> None:
        async for _ in child.messages():
            pass

    async def ready() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with session.get(f"{url}/-/ready") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.1)

    async with _beside(ended()) as end, _beside(ready()) as start:
        await asyncio.wait([end, start], timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        # Who answered may be another program that took the port; then Prometheus has ended, or soon will.
        await asyncio.wait([end], timeout=SETTLED)
        if end.done() or not start.done():
            raise child.failure("it ended at once" if end.done() else f"it was not ready within {READY_WITHIN:g} s")


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run `work` while inside; what it failed with is raised on leaving."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        await end(task)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
