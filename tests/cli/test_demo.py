"""`canary demo` from outside: what it prints, and what it leaves behind. One at a time: each is a cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import command, environment

LIMIT_S = 170.0
AT_REST = "at rest: all traffic is at the primary"
MARK = "MARK_OF_THE_TEST"
ROLLOUT = {
    "outcome": str,
    "weights": list,
    "duration_s": float,
    "requests": int,
    "failed_requests": int,
    "seconds_from_first_failure_to_zero_weight": float | None,
}

pytestmark = pytest.mark.xdist_group("demo")


def marked(mark: str) -> dict[int, str]:
    """Return the processes with this mark in their environment, which every child inherits, and their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended meanwhile, or is another user's
    return found


@contextmanager
def demo(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a demo in a session of its own; yield it and its mark. Whatever is left of it is killed at the end."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        command("demo", *words),
        env=environment(folder, {MARK: mark}),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        with process:
            yield process, mark
    finally:
        for left in marked(mark):
            os.kill(left, signal.SIGKILL)


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended without a word of {words!r}")


def left_behind(mark: str) -> dict[int, str]:
    """Return what is left of a demo that has ended; the kernel may take a moment to remove what was killed."""
    end = time.monotonic() + 5
    while (left := marked(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def rollouts(document: dict[str, Any]) -> list[tuple[str, bool, bool]]:
    """Return how each rollout ended, whether requests failed in it, and whether the answer to that was timed."""
    return [
        (one["outcome"], one["failed_requests"] > 0, one["seconds_from_first_failure_to_zero_weight"] is not None)
        for one in document["rollouts"]
    ]


def test_a_good_version_is_promoted_and_a_bad_one_rolled_back_and_no_request_is_lost(tmp_path: Path) -> None:
    with demo(tmp_path, "--json") as (process, mark):
        out, error = process.communicate(timeout=LIMIT_S)
        left = left_behind(mark)
    assert (process.returncode, left) == (0, {}), error[-3000:]
    document = json.loads(out)
    assert set(document) == {"mesh", "rollouts", "lost_requests"}
    assert (document["mesh"], document["lost_requests"]) == ("istio", 0)
    assert rollouts(document) == [("promoted", False, False), ("rolled_back", True, True)]
    for rollout in document["rollouts"]:
        assert set(rollout) == set(ROLLOUT)
        assert all(isinstance(rollout[field], kind) for field, kind in ROLLOUT.items())
        assert rollout["requests"] > rollout["failed_requests"]
    good, bad = (rollout["weights"] for rollout in document["rollouts"])
    assert (good, bad) == (sorted(set(good)), good[: len(bad)])
    assert 0 < len(bad) < len(good)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path, "--json") as (process, mark):
        read_until(process, AT_REST)
        assert any("envoy" in line for line in marked(mark).values())
        process.send_signal(number)
        out, error = process.communicate(timeout=60)
        left = left_behind(mark)
    assert (process.returncode, out, left) == (130, "", {}), error[-3000:]
    assert error.splitlines()[-1] == "canary: the demo was interrupted; all that it ran has ended"
    assert "Traceback" not in error
