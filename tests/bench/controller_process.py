"""`canary run` as a process of its own, and what the machine says that it used (Linux: /proc)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.process import command, environment, kubeconfig

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
END_S = 10.0


@dataclass(frozen=True, slots=True)
class Used:
    """Processor seconds since the start, and the memory that is resident now and at most, in MiB."""

    cpu_s: float
    rss_mib: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Held:
    """What it holds of the system now: threads, open files, and how many of those are sockets."""

    threads: int
    files: int
    sockets: int


@dataclass(frozen=True, slots=True)
class Running:
    """A running controller, and the file of its log."""

    pid: int
    log: Path

    def used(self) -> Used:
        """Return what it used until now."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        status = self._status()
        rss, peak = (int(status[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
        return Used((int(fields[11]) + int(fields[12])) * TICK_S, rss, peak)

    def held(self) -> Held:
        """Return what it holds now."""
        files = []
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since it was listed
                files.append(str(link.readlink()))
        return Held(int(self._status()["Threads"]), len(files), sum(one.startswith("socket:") for one in files))

    def _status(self) -> Mapping[str, str]:
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        return dict(line.split(":", 1) for line in lines)

    def logged(self, event: str) -> Mapping[str, Any] | None:
        """Return the first line of the log about an event, None while there is none."""
        with self.log.open(encoding="utf-8") as lines:
            mark = f'"{event}"'
            return next((json.loads(line) for line in lines if mark in line and line.endswith("\n")), None)


@asynccontextmanager
async def controller(
    folder: Path, api: str, prometheus: str, *flags: str, more: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """Run it until the block ends, with `more` in its environment. `BENCH_PROFILE` names a profile to write.

    Raises SystemExit when it ends by itself.
    """
    words = ("run", "--kubeconfig", kubeconfig(folder, api), "--prometheus-url", prometheus, "--no-leader-elect")
    line = command(*words, "--metrics-port", "0", *flags)
    if profile := os.environ.get("BENCH_PROFILE"):
        line = [line[0], "-m", "cProfile", "-o", profile, *line[1:]]
    log_file = folder / "controller.log"
    with log_file.open("w", encoding="utf-8") as log:
        process = await asyncio.create_subprocess_exec(
            *line, env=environment(folder, more), cwd=folder, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
        )
    try:
        yield Running(process.pid, log_file)
        if process.returncode is not None:
            raise SystemExit(f"the controller ended: {log_file.read_text(encoding='utf-8')[-2000:]}")
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(END_S):
                await process.wait()
