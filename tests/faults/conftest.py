"""The stage under a sky, as many seeds as are asked for, and the table of what was told and what went wrong.

CANARY_FAULT_SEEDS says which seeds: a number of them (`200`), or one of them (`=17`) to repeat what failed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.api.conftest import plane
from tests.faults.moments import PAIRS
from tests.faults.stories import STORIES
from tests.faults.table import Table
from tests.scenarios.conftest import pytest_pyfunc_call, stage

__all__ = ["plane", "pytest_pyfunc_call", "stage"]

FEW = 2
"""Seeds of a plain test run; `make test-faults` asks for more."""
DRIVES, GALES = 3, 2
"""The most drives among which what is done at which moment is dealt out, and gales: they take minutes of real time."""
HERE = Path(__file__).parent
LONG = frozenset({"drive", "minutes", "plane"})
"""Who asks for these takes minutes."""


def seeds() -> list[int]:
    """Return the seeds that were asked for."""
    asked = os.environ.get("CANARY_FAULT_SEEDS", str(FEW))
    return [int(asked[1:])] if asked.startswith("=") else list(range(int(asked)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "told" in metafunc.fixturenames:
        metafunc.parametrize("told", STORIES)
        metafunc.parametrize("seed", seeds())
    if "drive" in metafunc.fixturenames:
        among = DRIVES if os.environ.get("CANARY_FAULT_SEEDS", "").startswith("=") else min(DRIVES, len(seeds()))
        metafunc.parametrize("drive", [PAIRS[seed % among :: among] for seed in seeds()[:DRIVES]], ids=seeds()[:DRIVES])
    if "gale" in metafunc.fixturenames:
        metafunc.parametrize("gale", seeds()[:GALES])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what takes minutes to those who asked for more than a few seeds."""
    if "CANARY_FAULT_SEEDS" not in os.environ:
        long = [
            item for item in items if item.path.is_relative_to(HERE) and LONG & {*getattr(item, "fixturenames", ())}
        ]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture
def minutes() -> None:
    """Asked for by a test that takes minutes."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often each story was told, with how many faults, to those who asked for it."""
    if "CANARY_FAULT_SEEDS" not in os.environ:
        return
    table, stats = Table(), terminalreporter.stats
    broken = {report.nodeid for outcome in ("failed", "error") for report in stats.get(outcome, ())}
    for outcome in ("passed", "failed"):
        for report in stats.get(outcome, ()):
            if getattr(report, "when", "") == "call":
                table.take(report.user_properties, broken=report.nodeid in broken)
    for where, lines in table.sections():
        terminalreporter.section(where)
        for line in lines:
            terminalreporter.line(line)
