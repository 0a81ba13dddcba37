"""Writes docs/watch.md: what `canary watch` shows of a promotion and a rollback, in the embedded cluster.

The whole controller runs there in virtual time, so the page is the same each time: `python -m tests.cast` prints it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import looptime
import structlog
from rich.console import Console

from canary.cli.watch_view import Lines, screen
from canary.cli.watched import Objects, Traces, View, view
from canary.ports import CANARY, DEPLOYMENT, EVENT, POD, Watched
from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.simulated import SimulatedRuntime
from tests.builders import NAMESPACE, ref
from tests.scenarios.stage import Stage, analysis

COLUMNS = 100
HEAD = """\
# Watching a rollout

```sh
canary watch checkout -n shop
canary watch checkout -n shop --until-done      # ends with the rollout, with the exit status of `canary wait`
```

On a terminal `canary watch` fills the screen, whatever its width: where the rollout stands and until when it waits; the
steps (✓ behind, ● now, ○ ahead, ✗ where it was taken back); the split as decided and as read back from the mesh; each
check with its value, limit, requests and a line of what it was before; the pods of both sides; the latest Events. All
times are in UTC. `NO_COLOR` is heeded. Ctrl-C ends it, gives the terminal back and leaves the last picture; the exit
status is then 130, and 143 where SIGTERM ended it. Where there is no terminal it prints a line for each change, which
suits logs.

What follows was taken by `make cast` from the controller in the embedded cluster, with steps of 20 % and 50 %, 20 s
each, and 50 requests a second on each side.
"""


class Cast:
    """Takes pictures of the canary of a stage, and all lines in between."""

    def __init__(self, stage: Stage) -> None:
        self.lines: list[str] = []
        self.frames: list[str] = []
        self._stage = stage
        self._traces = Traces()
        self._lines = Lines()
        stage.cluster.store.listen(self._note)

    def _view(self) -> View:
        store = self._stage.cluster.store
        objects = Objects(
            canary=self._stage.cluster.now(ref(CANARY)),
            deployment=store.get(ref(DEPLOYMENT)),
            pods=store.list(POD, NAMESPACE),
            events=store.list(EVENT, NAMESPACE),
            now=self._stage.cluster.clock.now(),
        )
        return view(objects, self._traces)

    def _note(self, event: Watched) -> None:
        if event.ref.kind not in (CANARY, EVENT) or self._stage.cluster.store.get(ref(CANARY)) is None:
            return
        self.lines += self._lines.fresh(self._view())

    def picture(self, caption: str) -> None:
        """Take the screen as it is now."""
        console = Console(width=COLUMNS, no_color=True, color_system=None, force_terminal=False, legacy_windows=False)
        with console.capture() as captured:
            console.print(screen(self._view(), COLUMNS))
        text = "\n".join(each.rstrip() for each in captured.get().rstrip().splitlines())
        self.frames.append(f"{caption}\n\n```text\n{text}\n```\n")


async def _played() -> str:
    cluster = InMemoryCluster()
    runtime = SimulatedRuntime()
    async with Kubelet(cluster.client("kubelet"), runtime, cluster.clock):
        stage = Stage(cluster, runtime, [])
        try:
            return await _promotion_and_rollback(stage)
        finally:
            await stage.close()
            cluster.close()


async def _promotion_and_rollback(stage: Stage) -> str:
    checks = [
        {"name": "success-rate", "builtin": "success-rate", "min": 99},
        {"name": "latency-p99", "builtin": "latency-p99", "max": "500ms"},
    ]
    steps = ({"weight": 20, "duration": "60s"}, {"weight": 50})
    await stage.onboarded(analysis=analysis(*steps, checks=checks))
    cast = Cast(stage)
    stage.push("2.0")
    for bad in (0.002, 0.0, 0.004):
        stage.canary_traffic(bad=bad)
        await stage.rest(22)
    cast.picture("A good version, in its first step:")
    await stage.until_phase(Phase.PROMOTING)
    cast.picture("All steps passed; the primary takes over:")
    await stage.until_serving("2.0")
    cast.picture("Promoted:")
    promotion = "\n".join(cast.lines)
    cast.lines.clear()
    await stage.rest(timedelta(minutes=5).total_seconds())
    stage.canary_traffic(bad=0.0)
    stage.push("3.0")
    await stage.until_weight(20)
    await stage.rest(25)
    stage.canary_traffic(bad=0.3)
    await stage.until_phase(Phase.ROLLING_BACK)
    cast.picture("A bad version, at the moment at which it is taken back:")
    await stage.until_phase(Phase.FAILED)
    cast.picture("Rolled back:")
    rollback = "\n".join(cast.lines)
    good, bad_frames = "\n".join(cast.frames[:3]), "\n".join(cast.frames[3:])
    return (
        f"{HEAD}\n## A promotion\n\n{good}\nThe same where there is no terminal:\n\n```text\n{promotion}\n```\n"
        f"\n## A rollback\n\n{bad_frames}\nThe same where there is no terminal:\n\n```text\n{rollback}\n```\n"
    )


def played() -> str:
    """Return the page."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        return runner.run(_played())


if __name__ == "__main__":
    print(played(), end="")
