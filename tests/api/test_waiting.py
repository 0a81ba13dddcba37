"""`canary wait` against the real controller on a real control plane, its watches cut by a restart of the API server."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from canary.cli.awaited import Aim, Result, Standing
from canary.cli.canaries import Where
from canary.cli.following import following, named
from canary.cli.wait import Wait, until_ended
from canary.errors import NotFound
from canary.ports import CANARY, DEPLOYMENT
from tests.api.harness import Harness

pytestmark = pytest.mark.xdist_group("api")


async def waited(
    at_work: Harness, within_s: float = 120, said: list[str] | None = None, name: str = "checkout"
) -> Standing:
    where = Where(kubeconfig=at_work.plane.kubeconfig, namespace=at_work.namespace)
    patience = timedelta(seconds=within_s)
    async with following(where, (named(CANARY, name), named(DEPLOYMENT, name))) as followed:
        lines = said if said is not None else []
        return await until_ended(followed, Wait(name=name, aim=Aim(), timeout=patience), lines.append)


async def test_promotion_and_time_that_is_up(at_work: Harness) -> None:
    await at_work.onboarded(steps="20,40")
    assert (await waited(at_work)).result is Result.PROMOTED

    await at_work.push("2.0", steps="20,40")
    assert (await waited(at_work, 1)).result is None
    said: list[str] = []
    standing = await waited(at_work, said=said)
    assert (standing.result, at_work.serving()) == (Result.PROMOTED, ("2.0", 3))
    assert any(line.startswith("Progressing, 20 %: ") for line in said), said


async def test_a_wait_goes_on_over_a_restart_of_the_api_server_and_tells_of_a_rollback(at_work: Harness) -> None:
    await at_work.onboarded(steps="20,40@10m")
    at_work.start()  # where the restart outlasts the lease of the first, this one goes on
    await at_work.push("2.0", steps="20,40@10m")
    said: list[str] = []
    waiting = asyncio.create_task(waited(at_work, said=said))
    await at_work.until_weight(20)
    at_work.plane.stop_apiserver()
    at_work.plane.start_apiserver()
    await asyncio.to_thread(at_work.plane.until_ready)
    at_work.metrics.set("checkout", bad=1.0)
    standing = await waiting
    assert (standing.result, "Rolled back" in standing.text) == (Result.ENDED, True)


async def test_a_name_that_is_not_there_is_told_at_once(at_work: Harness) -> None:
    with pytest.raises(NotFound, match="there is no Canary "):
        await waited(at_work, name="chekout")
