"""A small Prometheus in this process: scrapes targets into memory, for when the real one is not on the PATH.

Labels, staleness and `up` are as Prometheus makes them. What a query means is `promql.py`, the HTTP API `query_api.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import aiohttp

from canary.ports import Clock
from canary.sandbox.exposition import labels_of, samples
from canary.sandbox.tsdb import Labels, Store, StoredSeries

JOB = "sandbox"
LARGEST = 16 * 1024 * 1024
TRIM_EVERY = 60

_ACCEPT = {"Accept": "text/plain;version=0.0.4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to scrape, and the labels that its series get: `namespace`, `pod` and so on, as discovery would set them.

    `job` and `instance` (host and port of the URL) are added where `labels` has none.
    """

    url: str
    labels: Mapping[str, str]

    def all_labels(self) -> dict[str, str]:
        """Return the labels with `job` and `instance`."""
        return {"job": JOB, "instance": urlsplit(self.url).netloc, **self.labels}

    @property
    def key(self) -> tuple[str, frozenset[tuple[str, str]]]:
        """What makes it another target when it changes."""
        return self.url, frozenset(self.labels.items())


Targets = Callable[[], Iterable[Target]]


@dataclass(slots=True)
class _Watched:
    """A target and the series that it had: all that were ever seen by how they are written, and those of now."""

    target: Target
    known: dict[str, StoredSeries] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    about: dict[str, StoredSeries] = field(default_factory=dict)


class Scraper:
    """Scrapes all targets at once every `interval`; a scrape may take that long. `run` it in a task."""

    def __init__(self, targets: Targets, store: Store, clock: Clock, *, interval: timedelta) -> None:
        self._targets = targets
        self._store = store
        self._clock = clock
        self._interval = interval.total_seconds()
        self._watched: dict[object, _Watched] = {}
        self._rounds = 0

    async def run(self) -> None:
        """Scrape until cancelled. A round that takes too long delays the next, none is made up for."""
        loop = asyncio.get_running_loop()
        timeout = aiohttp.ClientTimeout(total=self._interval)
        async with aiohttp.ClientSession(timeout=timeout, headers=_ACCEPT) as session:
            while True:
                due = loop.time() + self._interval
                await self.scrape(session)
                await asyncio.sleep(max(0.0, due - loop.time()))

    async def scrape(self, session: aiohttp.ClientSession) -> None:
        """Scrape every target once. All samples of a round have its time; what disappeared ends there."""
        at = self._now()
        wanted = {target.key: target for target in self._targets()}
        for key in [key for key in self._watched if key not in wanted]:
            self._end(self._watched.pop(key), at)
        for key, target in wanted.items():
            self._watched.setdefault(key, _Watched(target))
        await asyncio.gather(*(self._one(session, watched, at) for watched in list(self._watched.values())))
        self._rounds += 1
        if self._rounds % TRIM_EVERY == 0:
            self._store.trim(at)

    async def _one(self, session: aiohttp.ClientSession, watched: _Watched, at: int) -> None:
        began = asyncio.get_running_loop().time()
        found: dict[str, float] = {}
        up = 0.0
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
            found = await self._fetch(session, watched)
            up = 1.0
        for head, value in found.items():
            watched.known[head].append(at, value)
        for head in watched.present - found.keys():
            watched.known[head].append(at, None)
        watched.present = set(found)
        took = asyncio.get_running_loop().time() - began
        self._tell(
            watched, at, {"up": up, "scrape_duration_seconds": took, "scrape_samples_scraped": float(len(found))}
        )

    async def _fetch(self, session: aiohttp.ClientSession, watched: _Watched) -> dict[str, float]:
        """Return what the target exposes now; raises `ValueError` for what is not the text format, or too large."""
        async with session.get(watched.target.url) as answer:
            answer.raise_for_status()
            body = await answer.content.read(LARGEST + 1)
            while more := await answer.content.read(LARGEST + 1 - len(body)):
                body += more
        if len(body) > LARGEST:
            raise ValueError(f"{watched.target.url} exposes over {LARGEST >> 20} MiB")
        found = dict(samples(body.decode()))
        own = watched.target.all_labels()
        for head in found:
            if head not in watched.known:
                watched.known[head] = self._store.series(_joined(labels_of(head), own))
        return found

    def _tell(self, watched: _Watched, at: int, values: Mapping[str, float]) -> None:
        """Store what Prometheus says of each scrape itself."""
        for name, value in values.items():
            if name not in watched.about:
                watched.about[name] = self._store.series({"__name__": name, **watched.target.all_labels()})
            watched.about[name].append(at, value)

    def _end(self, watched: _Watched, at: int) -> None:
        for head in watched.present:
            watched.known[head].append(at, None)
        for series in watched.about.values():
            series.append(at, None)

    def _now(self) -> int:
        return round(self._clock.now().timestamp() * 1000)


def _joined(scraped: Labels, own: Labels) -> dict[str, str]:
    """Return both; a scraped label whose name the target has too becomes `exported_NAME` (`honor_labels: false`)."""
    labels = dict(own)
    for name, value in scraped.items():
        labels[f"exported_{name}" if name in own and value else name] = value
    return {**labels, **own}
