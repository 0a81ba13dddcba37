"""A pytest plugin that writes down which tests failed by themselves: not their set-up, not their collection."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CATCHES = "PLANTS_CATCHES"
"""The environment variable that names the file to write to, one node id a line."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the node id of a test whose own body failed."""
    if report.when == "call" and report.failed:
        with Path(os.environ[CATCHES]).open("a", encoding="utf-8") as catches:
            catches.write(f"{report.nodeid}\n")
