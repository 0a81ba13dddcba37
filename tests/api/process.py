"""`canary run` as a child process: started, watched by its log, stopped, frozen or killed."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from canary.sandbox.processes import die_with_parent

ENDS_WITHIN_S = 60.0


class Process:
    """One controller. Its log, standard output and error together, is the file `log`; it does not outlive the tests.

    `module` is what is run as `canary`.
    """

    def __init__(
        self,
        name: str,
        log: Path,
        flags: Sequence[str],
        secrets: Mapping[str, str] | None = None,
        *,
        module: str = "canary",
    ) -> None:
        self.name, self.log = name, log
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("CANARY_", "SLACK_"))}
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, "run", *flags],
                stdout=out,
                stderr=out,
                env={**environment, **(secrets or {})},
                preexec_fn=die_with_parent,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def events(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the log entries of that name."""
        for line in self.said.splitlines():
            if f'"{name}"' in line and line.startswith("{") and line.endswith("}"):
                entry = json.loads(line)
                if entry.get("event") == name:
                    yield entry

    @property
    def leads(self) -> bool:
        """Whether it ever won the lease."""
        return any(self.events("leadership_won"))

    def readiness(self) -> str:
        """Return what /readyz says, "" while nothing answers there."""
        return self.page("/readyz")

    def page(self, path: str) -> str:
        """Return what it answers to a GET, "" while nothing answers there. Quick: the process is on this machine."""
        ports = [entry["port"] for entry in self.events("probes_served")]
        if not ports or self.exit_code is not None:
            return ""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", ports[0], timeout=5)) as connection:
            try:
                connection.request("GET", path)
                return connection.getresponse().read().decode()
            except OSError:
                return ""

    def kill(self) -> None:
        """End it as the kernel does: nothing that it would still do happens."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        return await asyncio.to_thread(self._process.wait, ENDS_WITHIN_S)

    def close(self) -> None:
        """End it whatever state it is in."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
