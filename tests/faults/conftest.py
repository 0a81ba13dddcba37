"""The stage under a sky, as many seeds as are asked for, and the table of what was told, what went wrong and how long
each took.

CANARY_FAULT_SEEDS says which seeds: a number of them (`200`), or one of them (`=17`) to repeat what failed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.conftest import plane
from tests.api.control_plane import ControlPlane
from tests.api.side_by_side import Ensemble, scenes_of
from tests.api.side_by_side import ensemble as ensemble_of
from tests.bounded import is_virtual
from tests.faults.moments import PAIRS
from tests.faults.spans import Spans
from tests.faults.stories import STORIES
from tests.faults.table import TALE, Table
from tests.scenarios.conftest import branches, pytest_pyfunc_call, stage

__all__ = ["branches", "plane", "pytest_pyfunc_call", "stage"]

FEW = 2
"""Seeds of a plain test run; `make test-faults` asks for more."""
DRIVES, GALES = 3, 2
"""The most drives among which what is done at which moment is dealt out, and gales: they take minutes of real time."""
HERE = Path(__file__).parent
PLACE = ("tests", "faults")
LONG = frozenset({"drive", "minutes", "plane"})
"""Who asks for these takes minutes."""
YIELDING = 10
"""The niceness of what runs in virtual time, while other workers run in real time."""


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


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a worker yield to the others while it is in virtual time, which may take any time."""
    if "PYTEST_XDIST_WORKER" in os.environ and item.path.is_relative_to(HERE):
        with suppress(PermissionError):  # only root may take it back
            os.setpriority(os.PRIO_PROCESS, 0, YIELDING if is_virtual(item) else 0)


@pytest.fixture
def minutes() -> None:
    """Asked for by a test that takes minutes."""


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def ensemble(
    request: pytest.FixtureRequest, plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ensemble]:
    """Play the scenes of this folder side by side, each under controllers of its own."""
    async with ensemble_of(plane, tmp_path_factory.mktemp("scenes"), installed=False) as it:
        it.begin(scenes_of(request.session.items, __package__ or ""))
        yield it


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often each story was told, with how many faults, and how long it took, to those who asked for it."""
    if "CANARY_FAULT_SEEDS" not in os.environ:
        return
    reports = [
        report
        for outcome in terminalreporter.stats.values()
        for report in outcome
        if isinstance(report, pytest.TestReport) and Path(report.nodeid.partition("::")[0]).parts[:2] == PLACE
    ]
    for where, lines in (*_table(reports).sections(), ("which worker was busy when", _spans(reports).lines())):
        terminalreporter.section(where)
        for line in lines:
            terminalreporter.line(line)
    missing = sorted({str(report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple)})
    for reason in missing:
        terminalreporter.line(f"NOT ALL WAS TOLD: {reason}", red=True)


def _table(reports: Sequence[pytest.TestReport]) -> Table:
    table = Table()
    broken = {report.nodeid for report in reports if report.failed}
    told = set()
    for report in reports:
        if report.when == "call" and not report.skipped:
            table.take(report.user_properties, broken=report.nodeid in broken, seconds=report.duration)
            told |= {report.nodeid for name, _ in report.user_properties if name == TALE}
    for nodeid in sorted(broken - told):
        table.broke(nodeid.rpartition("::")[2].partition("@")[0])
    return table


def _spans(reports: Sequence[pytest.TestReport]) -> Spans:
    spans = Spans()
    for report in reports:
        worker = getattr(report, "worker_id", "the only one")
        spans.take(worker, Path(report.nodeid.partition("::")[0]).stem, report.start, report.stop)
    return spans
