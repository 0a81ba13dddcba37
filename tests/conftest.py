"""What every test may rely on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.bounded import pytest_configure, pytest_runtest_call, pytest_runtest_setup, pytest_runtest_teardown
from tests.embedded import cluster, embedded, kubelet, runtime
from tests.frozen import pytest_collection_finish
from tests.grouped import pytest_collection_modifyitems
from tests.virtual import pytest_itemcollected

__all__ = [
    "cluster",
    "embedded",
    "kubelet",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_itemcollected",
    "pytest_runtest_call",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
    "runtime",
]

# The same examples in each run, so that a planted fault is caught every time or never.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
# Other examples in each run, and more of them: make test ARGS=--hypothesis-profile=search
settings.register_profile("search", parent=settings.get_profile("steady"), derandomize=False, max_examples=2000)
settings.load_profile("steady")

# looptime asks for the current loop around plain tests too, for which asyncio would make one that nobody closes.
asyncio.set_event_loop(None)

# Who runs in the background of a shell ignores Ctrl-C, and so would every program that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Programs that the tests start keep their bytecode: without it each would compile the project anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def logs_stay_as_they_were() -> Iterator[None]:
    """Commands set the process's logging up; run within a test they must not silence the tests that follow."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
