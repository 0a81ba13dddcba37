"""The fixture `stage`: at the end of each scenario no invariant was broken and no pass raised what none may raise."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import structlog

from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.simulated import SimulatedRuntime
from tests.scenarios.stage import Stage


@pytest.fixture
async def stage(cluster: InMemoryCluster, runtime: SimulatedRuntime) -> AsyncIterator[Stage]:
    with structlog.testing.capture_logs() as logs:
        stage = Stage(cluster, runtime, logs)
        yield stage
        await stage.close()
    assert stage.watch.found == []
    assert stage.crashes() == []
