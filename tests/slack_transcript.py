"""Writes into docs/slack.md what people see in Slack of a promotion and of a rollback, as text.

The whole controller runs on the embedded cluster and the stand-in for Slack in virtual time, so each run gives the
same text: `--check` compares it with the page, `--write` writes it.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import looptime
import structlog

from canary.rollout.phases import Phase
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.kubelet import Kubelet
from canary.sandbox.simulated import SimulatedRuntime
from canary.sandbox.slack_workspace import PostedMessage
from tests.scenarios.slack import Office
from tests.scenarios.stage import Stage, analysis

PAGE = Path(__file__).resolve().parents[1] / "docs" / "slack.md"
CHECKS = [
    {"name": "success-rate", "builtin": "success-rate", "min": 99},
    {"name": "latency", "builtin": "latency-p99", "max": "600ms"},
]


@dataclass(slots=True)
class Transcript:
    """The lines of one rollout: each post whole, of each update what is new in it."""

    stage: Stage
    lines: list[str] = field(default_factory=list)
    _shown: dict[str, list[str]] = field(default_factory=dict)

    def note(self, message: PostedMessage) -> None:
        """Write one post or update."""
        text = message.plain().splitlines()
        before = self._shown.get(message.ts)
        where = "in its thread" if message.thread_ts else "#releases"
        where += ", and in the channel" if message.broadcast else ""
        kind = f"{where}" if before is None else "the message is updated"
        new = [line for line in text if before is None or line not in before]
        self._shown[message.ts] = text
        indent = "    " if message.thread_ts else ""
        self.lines += ["", f"{indent}[{self.stage.cluster.clock.now():%H:%M:%S}] {kind}:"]
        self.lines += [f"{indent}  {line}" for line in new]


async def promotion(stage: Stage) -> None:
    """Ship a good version."""
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)


async def rollback(stage: Stage) -> None:
    """Ship a version that fails three requests of a hundred."""
    stage.canary_traffic(bad=0.03)
    stage.push("2.0")
    await stage.until_phase(Phase.FAILED)


TOLD: dict[str, Callable[[Stage], Awaitable[None]]] = {"promotion": promotion, "rollback": rollback}


async def transcript(walk: Callable[[Stage], Awaitable[None]]) -> str:
    """Return what people see of one rollout."""
    cluster, runtime = InMemoryCluster(), SimulatedRuntime()
    with structlog.testing.capture_logs() as logs:
        async with Kubelet(cluster.client("kubelet"), runtime, cluster.clock):
            stage = Stage(cluster, runtime, logs)
            office = Office(stage)
            await stage.onboarded(analysis=analysis(checks=CHECKS, maxFailures=2))
            await stage.rest(30)
            told = Transcript(stage)
            office.workspace.subscribe(told.note)
            await walk(stage)
            await stage.rest(15)
            await stage.close()
            await office.close()
            cluster.close()
    return "\n".join(told.lines).strip("\n") + "\n"


def rewritten(page: str) -> str:
    """Return the page with each transcript in its place. Raises ValueError when a place is missing."""
    for name, walk in TOLD.items():
        with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
            text = runner.run(transcript(walk))
        place = re.compile(rf"(<!-- the {name}, .*? -->\n```text\n).*?(```\n)", re.S)
        page, found = place.subn(lambda place, text=text: place[1] + text + place[2], page)  # type: ignore[misc]
        if found != 1:
            raise ValueError(f"{PAGE.name} has {found} places for the transcript of the {name}; one is needed")
    return page


def main(arguments: list[str]) -> int:
    """Check or write the page; return the exit status."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = rewritten(page)
    match arguments:
        case ["--write"]:
            PAGE.write_text(wanted, encoding="utf-8")
            return 0
        case ["--check"]:
            return 0 if page == wanted else 1
        case _:
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
