"""`canary wait` whose watches are cut by a restart of the API server, on a real control plane."""

from __future__ import annotations

import asyncio

import pytest

from canary.cli.awaited import Result
from tests.api.harness import Harness
from tests.api.waiting import waited

pytestmark = pytest.mark.xdist_group("api")


async def test_a_wait_goes_on_over_a_restart_of_the_api_server_and_tells_of_a_rollback(at_work: Harness) -> None:
    await at_work.onboarded(steps="20,40@10m")
    standby = at_work.start()  # where the restart outlasts the lease of the first, this one goes on
    await at_work.until(lambda: standby.readiness() == "standby\n")
    await at_work.push("2.0", steps="20,40@10m")
    said: list[str] = []
    waiting = asyncio.create_task(waited(at_work, said=said))
    await at_work.until_weight(20)
    at_work.plane.stop_apiserver()
    at_work.plane.start_apiserver()
    await asyncio.to_thread(at_work.plane.until_ready)
    at_work.metrics.set("checkout", bad=1.0)
    standing = await waiting
    assert (standing.result, "Rolled back" in standing.text) == (Result.ENDED, True), [standing, at_work.report()]
