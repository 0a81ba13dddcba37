"""The fixture `stage`, and what holds in every scenario: no invariant was broken, no pass raised a fault of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator

import pytest
import structlog

from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.simulated import SimulatedRuntime
from tests.scenarios.branches import Branches
from tests.scenarios.stage import Stage


@pytest.fixture
async def stage(cluster: InMemoryCluster, runtime: SimulatedRuntime) -> AsyncIterator[Stage]:
    with structlog.testing.capture_logs() as logs:
        stage = Stage(cluster, runtime, logs)
        yield stage
        await stage.close()


@pytest.fixture
def branches() -> Branches:
    """The branches of this test; it fails when one does."""
    return Branches()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Hold what a scenario left behind to the invariants, as a part of the test itself; a branch ends here."""
    found = pyfuncitem.funcargs.get("branches")
    branches = found if isinstance(found, Branches) else None
    try:
        result = yield
        _assert_invariants(pyfuncitem)
        if branches is not None and branches.in_branch:
            _end_fixtures(pyfuncitem)
    except BaseException as failure:
        if branches is not None and branches.in_branch:
            branches.end(failure)
        raise
    if branches is not None:
        _assert_branches(branches)
    return result


def _assert_invariants(test: pytest.Function) -> None:
    stage = test.funcargs.get("stage")
    if isinstance(stage, Stage):
        assert stage.watch.found == []
        assert stage.crashes() == []


def _assert_branches(branches: Branches) -> None:
    if branches.in_branch:
        branches.end(None)
    assert branches.points, "there was no branch"
    assert branches.failed == {}, "\n\n".join(f"{point}: {why}" for point, why in branches.failed.items())


def _end_fixtures(test: pytest.Function) -> None:
    """End the fixtures of this one test as pytest does later: after its report, which a branch must not make."""
    assert test.parent is not None
    test.session._setupstate.teardown_exact(test.parent)  # type: ignore[arg-type]
