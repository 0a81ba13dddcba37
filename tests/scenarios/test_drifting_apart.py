"""Canaries that start together do not tick together for ever: after some steps they are looked at one after another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from canary.ports import CANARY, DEPLOYMENT, Series
from canary.rollout.phases import Phase
from canary.spec.status import status_from_json
from tests.builders import canary, deployment, ref, service
from tests.scenarios.metrics import FakeMetrics
from tests.scenarios.stage import SETTINGS, Stage, analysis, image

pytestmark = pytest.mark.looptime

NAMES = [f"app-{number}" for number in range(12)]
"""So many that no chance has all of them in one place: with half of them it was so in one run of a hundred."""
STEPS = (5, 20, 50)
LATER = STEPS[1:]
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
_WORKLOADS = re.compile(r'destination_workload=~?"([^"]+)"')


class Looks(FakeMetrics):
    """Notes when each Deployment was asked about, as the place in a scrape interval (0..1, in hundredths)."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.cluster.clock)
        self.stage = stage
        self.places: defaultdict[int, defaultdict[float, set[str]]] = defaultdict(lambda: defaultdict(set))

    async def query(self, promql: str, at: datetime) -> Sequence[Series]:
        found = _WORKLOADS.search(promql)
        assert found is not None, promql
        place = round((at - MIDNIGHT) % SETTINGS.scrape_interval / SETTINGS.scrape_interval, 2)
        for name in found[1].split("|"):
            if name in NAMES:
                status = status_from_json(self.stage.cluster.now(ref(CANARY, name)).get("status"))
                self.places[status.weight][place].add(name)
        return await super().query(promql, at)


async def test_canaries_that_start_together_are_spread_after_some_steps(stage: Stage) -> None:
    looks = stage.metrics = Looks(stage)
    for name in NAMES:
        stage.cluster.apply(deployment(name, image=image("1.0", name), replicas=None))
        stage.cluster.edit(ref(DEPLOYMENT, name), {"spec": {"replicas": 1}})
        stage.cluster.apply(service(name))
        stage.cluster.apply(canary(name, analysis=analysis(*STEPS)))
    stage.start()
    await phase(stage, Phase.INITIALIZED)
    for name in NAMES:
        stage.cluster.apply(deployment(name, image=image("2.0", name), replicas=None))
    await phase(stage, Phase.SUCCEEDED)
    # Each canary keeps its place while a weight holds: all of them are counted once.
    assert [sum(map(len, looks.places[weight].values())) for weight in STEPS] == [len(NAMES)] * len(STEPS)
    most = {weight: max(map(len, looks.places[weight].values())) for weight in STEPS}
    assert most[STEPS[0]] >= len(NAMES) / 2, "they started together"
    # Three places, by chance a third of them in each, more or less. Without chance all of them move as one.
    assert {len(looks.places[weight]) for weight in LATER} <= {2, 3}
    assert sum(most[weight] for weight in LATER) <= 0.9 * len(NAMES) * len(LATER)


async def phase(stage: Stage, wanted: Phase) -> None:
    """Wait until every canary is in a phase, ten minutes at most."""

    def reached() -> bool:
        found = [status_from_json(stage.cluster.now(ref(CANARY, name)).get("status")).phase for name in NAMES]
        return all(each is wanted for each in found)

    for _ in range(round(timedelta(minutes=10) / SETTINGS.scrape_interval)):
        if reached():
            return
        await stage.rest(SETTINGS.scrape_interval.total_seconds())
    raise AssertionError(f"not all were {wanted} within ten minutes")
