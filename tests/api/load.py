"""Clients of a canary on a control plane whose pods do not run: who answers a request, and what the pods count of it.

A request goes to a ready pod behind the Service that the route's weight gives it to. The pods' counters are scraped by
Prometheus, Debian's where it is installed, else the sandbox's scraper, from the same text that a sidecar would serve.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from canary.ports import POD, Cluster
from canary.sandbox.exporter import found_by
from canary.sandbox.exporter_istio import ISTIO
from canary.sandbox.identity import Identity, identity
from canary.sandbox.ledger import Ledger, Outcome
from canary.sandbox.processes import end
from canary.sandbox.prometheus import metrics_server
from canary.sandbox.scraper import Target
from meshes.contract import ObjectRef
from tests.api.apex import Apex
from tests.api.harness import Harness

RATE = 60.0
"""Requests a second."""

TICK_S = 0.1
TOOK_MS = 20.0


@dataclass(slots=True)
class Load:
    """What clients of `checkout` asked for. `bad` says which share (0..1) of the answers of an image's tag is a 503.

    `answered` and `failed` count by tag, `lost` are the requests that found nobody, by Service. `prometheus_url` is
    where what the pods counted is asked for.
    """

    view: Cluster
    namespace: str
    weight: Callable[[], int | None]
    bad: dict[str, float] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    prometheus_url: str = ""
    _clients: asyncio.Task[None] | None = None
    _ledgers: dict[str, tuple[Identity, Ledger]] = field(default_factory=dict)
    _asked: int = 0
    _owed: int = 0
    _faults: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Send requests from now on."""
        self._clients = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._clients is not None:
            await end(self._clients)

    async def _run(self) -> None:
        """Ask until cancelled. What a busy machine delays is made up for: the rate is held on average."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            sides = {name: Apex(self.view, self.namespace, name).ready() for name in ("checkout", "checkout-canary")}
            while self._asked < (loop.time() - began) * RATE:
                self._asked += 1
                self._ask(sides)

    def _ask(self, sides: dict[str, list[str]]) -> None:
        """Send one request; each side gets exactly its share of them."""
        self._owed += self.weight() or 0
        service = "checkout-canary" if self._owed >= 100 else "checkout"
        self._owed %= 100
        ready = sides[service]
        if not ready:
            self.lost[service] += 1
            return
        who, ledger = self._of(ready[self._asked % len(ready)])
        self._faults[who.version] += round(self.bad.get(who.version, 0.0) * 1000)
        code = 503 if self._faults[who.version] >= 1000 else 200
        self._faults[who.version] %= 1000
        ledger.add(Outcome("checkout", code), TOOK_MS)
        (self.answered if code == 200 else self.failed)[who.version] += 1

    def _of(self, name: str) -> tuple[Identity, Ledger]:
        if name not in self._ledgers:
            pod = self.view.get(ObjectRef(POD, self.namespace, name))
            assert pod is not None
            self._ledgers[name] = identity(pod), Ledger(ISTIO.edges_ms)
        return self._ledgers[name]

    def targets(self, base: str) -> Iterator[Target]:
        """The pods that are there and have counted anything."""
        for name, (who, _) in self._ledgers.items():
            if self.view.get(ObjectRef(POD, self.namespace, name)) is not None:
                yield Target(url=f"{base}/{name}", labels=found_by(who))

    async def told(self, request: web.Request) -> web.Response:
        """What a pod's sidecar tells whoever scrapes it."""
        return web.Response(text="\n".join([*ISTIO.lines(*self._ledgers[request.match_info["pod"]]), ""]))


@asynccontextmanager
async def load(of: Harness) -> AsyncIterator[Load]:
    """Have Prometheus scrape the pods while inside, and clients ask them once they `begin`."""
    it = Load(of.view, of.namespace, lambda: of.weight)
    app = web.Application()
    app.router.add_get("/{pod}", it.told)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with metrics_server(lambda: it.targets(base), of.world.http.clock) as server:
            it.prometheus_url = server.url
            try:
                yield it
            finally:
                await it.close()
    finally:
        await runner.cleanup()
