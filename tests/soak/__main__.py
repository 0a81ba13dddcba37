"""Runs canaries through their lives for some minutes; ends with 1 when a figure grows or a rollout ends otherwise.

Real time, and the real `canary run` in a process of its own, as in `make bench`. Watches are cut now and then, some of
them with what they missed no longer known; Slack and Prometheus are away now and then.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
from rich.console import Console

from canary.clients.slack_box import MANY
from canary.clients.slack_gate import MESSAGE_APART_S, TIER_3_APART_S
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.rig import WallClock
from canary.sandbox.simulated import SimulatedRuntime
from canary.sandbox.slack import SlackStandIn, slack_stand_in
from tests.api.prometheus import prometheus
from tests.bench.api_server import ApiServer, served
from tests.bench.controller_process import Running, controller
from tests.soak.figures import POINTS, Sample, at_point, grown, left_behind, table
from tests.soak.lives import Lives
from tests.soak.town import Town
from tests.telemetry.scraped import Page

MINUTES = 60.0
SIDE_BY_SIDE = 30
APART_S = 0.7
"""Lives begin so far apart, so that they do not all do the same at once."""
KEPT = 500
CHANNEL = "#deployments"
FLAGS = ("--scrape-interval", "1s", "--settle", "1s", "--drain", "1s", "--slack-channel", CHANNEL)
POLL_S, SAMPLE_S, START_S, END_S = 0.1, 5.0, 60.0, 600.0
SETTLED_S = 60.0 + SIDE_BY_SIDE * (MANY * MESSAGE_APART_S + TIER_3_APART_S)
"""How long the last words may take: of each canary that leaves some transitions may wait, a message each (what is more
is told together), which are a second apart in their channel, and then one update of its card."""
CUT_S, FORGOTTEN_S, AWAY_S, BACK_S = 20.0, 50.0, 70.0, 4.0


@dataclass(slots=True, kw_only=True)
class Soak:
    """The running parts. `own` is this process."""

    town: Town
    lives: Lives
    server: ApiServer
    slack: SlackStandIn
    process: Running
    own: Running
    http: aiohttp.ClientSession
    port: int = 0

    async def ready(self) -> None:
        """Wait until the controller has filled its caches. Raises TimeoutError."""
        async with asyncio.timeout(START_S):
            while not await self._is_ready():  # noqa: ASYNC110 - another process, which tells nobody
                await asyncio.sleep(POLL_S)

    async def _is_ready(self) -> bool:
        probes = self.process.logged("probes_served")
        if probes is None:
            return False
        self.port = int(probes["port"])
        return (await self._page("readyz"))[0] == HTTPStatus.OK

    async def _page(self, path: str) -> tuple[int, str]:
        async with self.http.get(f"http://127.0.0.1:{self.port}/{path}") as answer:
            return answer.status, await answer.text()

    async def _metrics(self) -> Page:
        return Page((await self._page("metrics"))[1])

    async def sample(self) -> Sample:
        """Return what the controller holds now."""
        page = await self._metrics()
        held = self.process.held()
        return Sample(
            rss_mib=self.process.used().rss_mib,
            tasks=page.one("canary_asyncio_tasks") or 0.0,
            files=held.files,
            sockets=held.sockets,
            threads=held.threads,
            lines=page.text.count("\n"),
            series=sum("canary" in one.labels for one in page.samples),
            queued=sum(page.by("canary_queue_depth", "queue").values()),
            waiting=page.one("canary_slack_messages_waiting") or 0.0,
            own_mib=self.own.used().rss_mib,
            ended=self.lives.ended.total(),
        )

    async def disturb(self) -> None:
        """Cut watches, and have Slack and Prometheus away, now and then; and sweep."""
        for second in range(1, sys.maxsize):
            await asyncio.sleep(1)
            self.town.sweep(self.slack.workspace)
            if second % FORGOTTEN_S == 0:
                self.server.cut()
                self.server.forget()
            elif second % CUT_S == 0:
                self.server.cut()
            self.weather(away=second % AWAY_S)

    def weather(self, away: float) -> None:
        """Have Slack away, then Prometheus, and then neither."""
        self.slack.weather.down = away < BACK_S
        self.town.world.metrics.down = BACK_S <= away < 2 * BACK_S

    async def point(self, seconds: float) -> Sample:
        """Sample for so long; return the point."""
        until = time.monotonic() + seconds
        samples: list[Sample] = []
        while not samples or time.monotonic() < until:
            await asyncio.sleep(min(SAMPLE_S, seconds))
            samples.append(await self.sample())
        return at_point(samples)

    async def left_behind(self, before: Sample) -> list[str]:
        """Return what is still there some time after every canary went."""
        until = time.monotonic() + SETTLED_S
        left = list(left_behind(before, await self.sample()))
        while left and time.monotonic() < until:
            await asyncio.sleep(SAMPLE_S)
            left = list(left_behind(before, await self.sample()))
        return left

    async def bugs(self) -> list[str]:
        """Return in which queues passes ended with an error that is none of the controller's own."""
        counts = (await self._metrics()).by("canary_pass_errors_total", "queue", error="bug")
        return [f"{count:g} passes of the queue {queue} broke" for queue, count in counts.items() if count]

    def told(self) -> str:
        """How far it is."""
        lives = self.lives
        ends = ", ".join(f"{count} {outcome}" for outcome, count in sorted(lives.ended.items()))
        past = f"{lives.left} canaries left, {self.server.expired} watches expired, {len(lives.wrong)} wrong"
        return f"{lives.ended.total()} rollouts ({ends}), {past}; {self.process.used().cpu_s:.0f} s of processor"


@asynccontextmanager
async def running() -> AsyncIterator[Soak]:
    """Start everything; ends with the block."""
    cluster = InMemoryCluster(clock=WallClock())
    town, server = Town(cluster), ApiServer(cluster, kept=KEPT)
    async with AsyncExitStack() as parts:
        parts.callback(cluster.close)
        await parts.enter_async_context(Kubelet(cluster.client("kubelet"), SimulatedRuntime(), cluster.clock))
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        slack = await parts.enter_async_context(slack_stand_in(channels=(CHANNEL,)))
        address = await parts.enter_async_context(served(server))
        metrics = await parts.enter_async_context(prometheus(town.world.metrics))
        told = {"SLACK_BOT_TOKEN": slack.token, "SLACK_API_URL": slack.url}
        process = await parts.enter_async_context(controller(folder, address, metrics, *FLAGS, more=told))
        yield Soak(
            town=town,
            lives=Lives(town, seed=0),
            server=server,
            slack=slack,
            process=process,
            own=Running(os.getpid(), process.log),
            http=await parts.enter_async_context(aiohttp.ClientSession(headers={"Connection": "close"})),
        )


async def soak(minutes: float) -> tuple[Sequence[Sample], Sequence[str]]:
    """Return the points, and what was not as it should be."""
    async with running() as it:
        await it.ready()
        before = await it.point(SAMPLE_S)
        disturbing = asyncio.create_task(it.disturb())
        living = [asyncio.create_task(it.lives.run(number * APART_S)) for number in range(SIDE_BY_SIDE)]
        points = []
        for number in range(1, POINTS + 1):
            points.append(await it.point(minutes * 60 / POINTS))
            sys.stderr.write(f"  {number}: {it.told()}\n")
        it.lives.stopping.set()
        async with asyncio.timeout(END_S):
            await asyncio.gather(*living)
        disturbing.cancel()
        it.weather(away=2 * BACK_S)
        left = await it.left_behind(before)
        sys.stderr.write(f"  at the end: {it.told()}\n")
        return points, [*grown(points), *left, *it.lives.wrong, *await it.bugs()]


def main() -> None:
    """Run for the minutes that are named, or an hour."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    points, faults = asyncio.run(soak(minutes))
    Console(width=150).print(table(points))
    if faults:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
