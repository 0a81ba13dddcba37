"""`canary run` as a process of its own, and what the machine says that it used (Linux: /proc)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

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
class Running:
    """A running controller."""

    pid: int

    def used(self) -> Used:
        """Return what it used until now."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        memory = dict(line.split(":", 1) for line in status.splitlines() if line.startswith(("VmRSS", "VmHWM")))
        rss, peak = (int(memory[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
        return Used((int(fields[11]) + int(fields[12])) * TICK_S, rss, peak)


@asynccontextmanager
async def controller(folder: Path, api: str, prometheus: str, *flags: str) -> AsyncIterator[Running]:
    """Run it until the block ends. Its log is `controller.log` in the folder. `BENCH_PROFILE` names a profile to write.

    Raises SystemExit when it ends by itself.
    """
    words = ("run", "--kubeconfig", kubeconfig(folder, api), "--prometheus-url", prometheus, "--no-leader-elect")
    line = command(*words, "--metrics-port", "0", *flags)
    if profile := os.environ.get("BENCH_PROFILE"):
        line = [line[0], "-m", "cProfile", "-o", profile, *line[1:]]
    with (folder / "controller.log").open("w", encoding="utf-8") as log:
        process = await asyncio.create_subprocess_exec(
            *line, env=environment(folder), cwd=folder, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
        )
    try:
        yield Running(process.pid)
        if process.returncode is not None:
            raise SystemExit(f"the controller ended: {(folder / 'controller.log').read_text(encoding='utf-8')[-2000:]}")
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(END_S):
                await process.wait()
