"""Tests that share something costly run on one worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("number", range(12))
@pytest.mark.xdist_group("one")
def test_grouped(number: int) -> None:
    with (HERE / "workers").open("a") as told:
        told.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")


@pytest.mark.parametrize("number", range(12))
def test_free(number: int) -> None:
    pass
"""


def test_the_tests_of_a_group_run_on_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_them.py").write_text(TESTS, encoding="utf-8")
    words = ["-q", "-n", "2", "--dist", "loadgroup", "-p", "tests.grouped", f"--rootdir={tmp_path}", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pytest", *words], cwd=Path(__file__).parents[1], check=True, timeout=300)
    workers = (tmp_path / "workers").read_text(encoding="utf-8").split()
    assert (len(workers), len(set(workers))) == (12, 1)
