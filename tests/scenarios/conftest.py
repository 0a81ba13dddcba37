"""The fixture `stage`, and what holds in every scenario: no invariant was broken, no pass raised a fault of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator

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


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Hold what a scenario left behind to the invariants, as a part of the test itself."""
    result = yield
    stage = pyfuncitem.funcargs.get("stage")
    if isinstance(stage, Stage):
        assert stage.watch.found == []
        assert stage.crashes() == []
    return result
