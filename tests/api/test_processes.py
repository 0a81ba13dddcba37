"""What the tests start ends with them, however they are ended."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

STARTS = """
import shutil, sys, time
from pathlib import Path
from tests.api.control_plane import Program
from tests.api.process import Process

folder = Path(sys.argv[1])
program = Program(binary=Path(shutil.which("sleep")), folder=folder, flags=["600"])
program.start()
controller = Process("controller", folder / "controller.log", [])
controller.freeze()
print(program.pid, controller.pid, flush=True)
time.sleep(600)
"""
ENDS_WITHIN_S = 30.0


@pytest.mark.skipif(sys.platform != "linux", reason="only the kernel of Linux ends a process with its parent")
def test_no_process_is_left_by_tests_that_are_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-c", STARTS, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as tests:
        assert tests.stdout is not None
        children = [int(pid) for pid in tests.stdout.readline().split()]
        assert [runs(pid) for pid in children] == [True, True]
        tests.kill()
    deadline = time.monotonic() + ENDS_WITHIN_S
    while any(runs(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [runs(pid) for pid in children] == [False, False]


def runs(pid: int) -> bool:
    """Whether there is such a process that has not ended. One that nobody waited for is a zombie, which has."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
