"""A controller in a gale: `canary run` with a proxy before all that it talks to, kept running as a kubelet does."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from canary.sandbox.slack import SlackStandIn, slack_stand_in
from tests.api.harness import SHORT_TIMES
from tests.api.process import Process
from tests.api.proxy import kubeconfig_through, proxy
from tests.api.world import World
from tests.faults.gale import Gale

CHANNEL = "#deployments"
OUTAGE_S = (3.0, 13.0)
"""How long the API server is away at once; a leader that cannot renew for ten seconds ends."""
EVERY_S = 20.0


@dataclass(slots=True)
class Gales:
    """The weather before the API server, Prometheus and Slack, and the controllers in it. `counted` is all it did."""

    seed: int
    slack: SlackStandIn
    counted: Counter[str] = field(default_factory=Counter)
    controllers: list[Process] = field(default_factory=list)
    _gales: dict[str, Gale] = field(default_factory=dict)

    def before(self, server: str) -> Gale:
        """Return the weather before a server."""
        dice = random.Random(f"{self.seed} {server}")
        share = dice.choice((0.02, 0.05, 0.1))
        return self._gales.setdefault(server, Gale(f"{self.seed} {server}", share, self.counted))

    def calm(self) -> None:
        """Let all be well again."""
        for gale in self._gales.values():
            gale.clear, gale.down = True, False

    async def outages(self) -> None:
        """Take the API server away now and then, until cancelled."""
        dice, gale = random.Random(f"{self.seed} outages"), self._gales["api"]
        while True:
            await asyncio.sleep(dice.uniform(EVERY_S / 2, EVERY_S * 2))
            gale.down = not gale.clear
            await asyncio.sleep(dice.uniform(*OUTAGE_S))
            gale.down = False

    async def keep(self, start: Callable[[], Process]) -> None:
        """Start a controller, and another whenever one has ended, until cancelled."""
        while True:
            if not self.controllers or self.controllers[-1].exit_code is not None:
                self.controllers.append(start())
            await asyncio.sleep(0.5)


@asynccontextmanager
async def blowing(of: World, seed: int) -> AsyncIterator[Gales]:
    """Keep a controller for the whole cluster running behind proxies while the block runs."""
    async with slack_stand_in(channels=(CHANNEL,)) as slack:
        gales = Gales(seed, slack)
        async with (
            proxy(of.plane.url, gales.before("api")) as api,
            proxy(of.prometheus_url, gales.before("prometheus")) as prometheus,
            proxy(slack.url.removesuffix("/api/"), gales.before("slack")) as slack_url,
        ):
            kubeconfig = kubeconfig_through(api, of.plane.folder / "controller.kubeconfig", of.folder / "kubeconfig")
            flags = ("--kubeconfig", str(kubeconfig), "--prometheus-url", prometheus, "--slack-channel", CHANNEL)
            secrets = {"SLACK_BOT_TOKEN": slack.token, "SLACK_API_URL": f"{slack_url}/api/"}

            def start() -> Process:
                name = f"controller-{len(gales.controllers) + 1}"
                return Process(name, of.folder / f"{name}.log", [*flags, *SHORT_TIMES], secrets)

            tasks = [asyncio.create_task(gales.keep(start)), asyncio.create_task(gales.outages())]
            try:
                yield gales
            finally:
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
                for each in gales.controllers:
                    each.close()
