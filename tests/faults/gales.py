"""A controller in a gale: `canary run` with a proxy before all that it talks to, kept running as a kubelet does."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from canary.sandbox.slack import SlackStandIn, slack_stand_in
from tests.api.harness import SHORT_TIMES
from tests.api.process import Process
from tests.api.prometheus import prometheus as prometheus_of
from tests.api.proxy import kubeconfig_through, proxy
from tests.api.world import World
from tests.faults.gale import Gale, Squall
from tests.faults.planted import Planted
from tests.faults.samples import Samples

CHANNEL = "#deployments"
DRAIN = timedelta(seconds=3)
FIRST_WITHIN_S = 25.0
EVERY_S = (15.0, 40.0)
OUTAGES: Mapping[str, tuple[Squall, tuple[float, float]]] = {
    "api": (Squall.API_DOWN, (3.0, 13.0)),  # a leader that cannot renew for ten seconds ends
    "prometheus": (Squall.PROMETHEUS_DOWN, (3.0, 20.0)),
    "slack": (Squall.SLACK_DOWN, (3.0, 20.0)),
}
"""By server: the word for its outage, and how many seconds it is away at once."""


@dataclass(slots=True)
class Gales:
    """The weather before the API server, Prometheus and Slack, and the controllers in it. `counted` is all it did."""

    seed: int
    slack: SlackStandIn
    samples: Samples
    planted: Planted
    counted: Counter[str]
    controllers: list[Process] = field(default_factory=list)
    _gales: dict[str, Gale] = field(default_factory=dict)

    def before(self, server: str) -> Gale:
        """Return the weather before a server."""
        dice = random.Random(f"{self.seed} {server}")
        share = dice.choice((0.02, 0.05, 0.1))
        return self._gales.setdefault(server, Gale(f"{self.seed} {server}", share, self.counted))

    def calm(self) -> None:
        """Let all be well again."""
        self.samples.clear = True
        for gale in self._gales.values():
            gale.clear, gale.down = True, False

    async def outages(self, server: str) -> None:
        """Take a server away now and then, until cancelled."""
        dice, gale = random.Random(f"{self.seed} outages of {server}"), self._gales[server]
        squall, lasts = OUTAGES[server]
        await asyncio.sleep(dice.uniform(0, FIRST_WITHIN_S))
        while not gale.clear:
            self.counted[squall] += 1
            gale.down = True
            await asyncio.sleep(dice.uniform(*lasts))
            gale.down = False
            await asyncio.sleep(dice.uniform(*EVERY_S))

    async def keep(self, start: Callable[[], Process]) -> None:
        """Start a controller, and another whenever one has ended, until cancelled."""
        while True:
            if not self.controllers or self.controllers[-1].exit_code is not None:
                self.controllers.append(start())
            await asyncio.sleep(0.5)


@asynccontextmanager
async def blowing(of: World, seed: int) -> AsyncIterator[Gales]:
    """Keep a controller for the whole cluster running behind proxies while the block runs."""
    counted, planted = Counter[str](), Planted.drawn(seed)
    samples = Samples(of.traffic, random.Random(f"{seed} samples"), counted)
    async with (
        slack_stand_in(channels=(CHANNEL,), token=planted.slack_token) as slack,
        prometheus_of(samples) as behind,
    ):
        gales = Gales(seed, slack, samples, planted, counted)
        async with (
            proxy(of.plane.url, gales.before("api")) as api,
            proxy(behind, gales.before("prometheus")) as prometheus,
            proxy(slack.url.removesuffix("/api/"), gales.before("slack")) as slack_url,
        ):
            kubeconfig = kubeconfig_through(api, of.plane.folder / "controller.kubeconfig", of.folder / "kubeconfig")
            flags = ["--kubeconfig", str(kubeconfig), "--prometheus-url", prometheus, "--slack-channel", CHANNEL]
            flags += [*SHORT_TIMES, "--drain", f"{DRAIN.seconds}s", *planted.flags(of.folder)]
            secrets = {**planted.environment, "SLACK_API_URL": f"{slack_url}/api/"}

            def start() -> Process:
                name = f"controller-{len(gales.controllers) + 1}"
                return Process(name, of.folder / f"{name}.log", flags, secrets, module="tests.faults.loud")

            work = [gales.keep(start), *(gales.outages(server) for server in OUTAGES)]
            tasks = [asyncio.create_task(each) for each in work]
            try:
                yield gales
            finally:
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
                for each in gales.controllers:
                    each.close()
