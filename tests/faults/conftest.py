"""The stage under a sky, as many seeds as are asked for, and the table of what was told and what went wrong.

CANARY_FAULT_SEEDS says which seeds: a number of them (`200`), or one of them (`=17`) to repeat what failed.
"""

from __future__ import annotations

import json
import os
from collections import Counter

import pytest

from tests.faults.sky import Fault
from tests.faults.stories import STORIES
from tests.scenarios.conftest import pytest_pyfunc_call, stage

__all__ = ["pytest_pyfunc_call", "stage"]

FEW = 2
"""Seeds of a plain test run; `make test-faults` asks for more."""
DRIVES = 3
"""Seeds of a story in real time."""
TALE = "tale"


def seeds() -> list[int]:
    """Return the seeds that were asked for."""
    asked = os.environ.get("CANARY_FAULT_SEEDS", str(FEW))
    return [int(asked[1:])] if asked.startswith("=") else list(range(int(asked)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "told" in metafunc.fixturenames:
        metafunc.parametrize("told", STORIES)
        metafunc.parametrize("seed", seeds())
    if "drive" in metafunc.fixturenames:
        metafunc.parametrize("drive", seeds()[: min(len(seeds()), DRIVES)])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what takes minutes to those who asked for more than a few seeds."""
    if "CANARY_FAULT_SEEDS" not in os.environ:
        long = [item for item in items if "drive" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often each story was told, with how many faults."""
    runs: Counter[str] = Counter()
    faults: dict[str, Counter[str]] = {}
    broken: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, told in getattr(report, "user_properties", ()):
                if name == TALE and report.when == "call":
                    tale = json.loads(told)
                    runs[tale["story"]] += 1
                    broken[tale["story"]] += outcome == "failed"
                    faults.setdefault(tale["story"], Counter()).update(tale["faults"])
    if not runs or sum(runs.values()) <= FEW * len(STORIES):
        return
    width = max(len(name) for name in runs)
    terminalreporter.section("stories under foul weather")
    terminalreporter.line(f"{'':{width}}  runs  broken  " + "  ".join(Fault))
    for name in STORIES:
        if runs[name]:
            columns = "  ".join(f"{faults[name][fault]:>{len(fault)}}" for fault in Fault)
            terminalreporter.line(f"{name:{width}}  {runs[name]:>4}  {broken[name]:>6}  {columns}")
    total = sum(sum(each.values()) for each in faults.values())
    terminalreporter.line(f"{sum(runs.values())} runs with {total} faults, {sum(broken.values())} broken")
