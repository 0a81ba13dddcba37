"""Pushes at any moment under real traffic: a recorder in the data plane sees who answers, and that somebody does.

Envoy carries the requests, the controller is the real one. Minutes of real time, so only `make test-faults` does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import groupby

import pytest

from canary.sandbox import shop
from canary.sandbox.load_counts import LoadSample
from canary.sandbox.rig import Rig, RigSettings, rig
from tests.builders import config_map
from tests.faults.moments import ANNOTATIONS, Deed, Moment, Pipeline
from tests.faults.recorder import IN_FLIGHT_S, Recorder
from tests.faults.table import TALE, UNDER_TRAFFIC, tale

pytestmark = pytest.mark.xdist_group("traffic")
"""One after the other: real traffic needs a processor of its own."""

PRIMARY = f"{shop.NAME}-primary"
RATE = 100.0
AT_ONCE_S = 1.0
SLOW_MACHINE_S = 2.0
"""What a busy machine may add to it; in virtual time tests/scenarios/test_pushes.py holds it to the second."""


async def test_no_request_reaches_what_is_not_under_analysis_and_none_is_lost(
    drive: list[tuple[Deed, Moment]], record_property: Callable[[str, object], None]
) -> None:
    async with rig(RigSettings(rate=RATE, real_prometheus=False)) as running:
        recorder = Recorder.of(running)
        running.cluster.apply(config_map(namespace=shop.NAMESPACE, text="first"))
        pipeline = Pipeline(running, recorder)
        pipeline.push(shop.OLD)
        await recorder.until(lambda: recorder.phase == "Initialized")
        counted = LoadSample()
        async with recorder.watching():
            for deed, moment in drive:
                before = recorder.stable
                now = await pipeline.reach(moment)
                record_property(TALE, tale(deed, {moment: 1}, UNDER_TRAFFIC))
                counted = counted.plus(await running.load.mark()) if deed is Deed.PUT else counted
                expected = await pipeline.do(deed, before, now, bad=moment.of_a_bad_version)
                if deed is Deed.PUT:
                    await excepted(recorder, running)
                await pipeline.settled(expected)
                assert recorder.found == [], (deed, moment)
            counted = counted.plus(await running.load.mark())
    assert (counted.lost, counted.skipped) == (0, 0)
    primary = counted.answers_of(workload=PRIMARY)
    assert (primary.requests > 0, primary.failed) == (True, 0)


async def excepted(recorder: Recorder, running: Rig) -> None:
    """The documented exception: what was lost is not held against it, but the weight is 0 within a second."""
    async with asyncio.timeout(AT_ONCE_S + SLOW_MACHINE_S):
        await recorder.until(lambda: recorder.weight == 0)
    recorder.excuse_no_more()
    await running.envoy.settled()
    await asyncio.sleep(IN_FLIGHT_S)
    await running.load.mark()
    recorder.excuse_losses()


FRAGILE = shop.Version(tag="3.0.0", what="ends under load", env={"LATENCY_MS": "5", "CRASH_ABOVE_RPS": "36"})
"""Of 200 requests a second its only pod gets 20 at 10 %, and 50 at 25 %."""


@pytest.mark.usefixtures("minutes")
async def test_a_version_that_crashes_only_under_load_is_rolled_back_while_the_primary_serves_on(
    record_property: Callable[[str, object], None],
) -> None:
    noted = {**ANNOTATIONS, "canary.delivery/steps": "10,25,50"}
    weights: list[int] = []
    async with rig(RigSettings(rate=2 * RATE, real_prometheus=False)) as running:
        recorder = Recorder.of(running)
        running.cluster.apply(shop.deployment(shop.OLD, noted))
        await recorder.until(lambda: recorder.phase == "Initialized")
        await running.load.mark()

        def ended() -> bool:
            weights.append(recorder.weight)
            return recorder.phase == "Failed"

        async with recorder.watching():
            running.cluster.apply(shop.deployment(FRAGILE, noted))
            await recorder.until(ended)
            counted = await running.load.mark()
    record_property(TALE, tale("a version that crashes under load", {Moment.AT_WEIGHT: 1}, UNDER_TRAFFIC))
    assert "restarted 3 times" in recorder.status["message"]
    assert [weight for weight, _ in groupby(weights)][:4] == [0, 10, 25, 0]
    assert max(weights) == 25
    recorder.excuse_losses()
    assert recorder.found == []
    primary = counted.answers_of(workload=PRIMARY)
    assert primary.failed == 0
    assert primary.requests > 0.8 * counted.requests
    # Each crash may cost what reaches the canary until its weight is gone; a crash loop at 25 % would cost all of that.
    assert counted.failed + counted.lost < 0.05 * counted.requests
