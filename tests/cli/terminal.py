"""A terminal with a program in it: what it wrote, what is on the screen, its size, and its keys."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

PATIENCE_S = 120.0
CTRL_C = b"\x03"
FULL_SCREEN, AS_BEFORE = "\x1b[?1049h", "\x1b[?1049l"
HOME = "\x1b[H"


class Terminal:
    """One program in a terminal of its own; make it with `terminal`."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.written = ""
        self._master = master

    def resize(self, lines: int, columns: int) -> None:
        """Give the terminal another size, and tell the program as terminals do."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def until(self, holds: Callable[[str], object]) -> str:
        """Read until what was written in all satisfies `holds`; return it."""
        ends = time.monotonic() + PATIENCE_S
        while not holds(self.written):
            assert time.monotonic() < ends, f"it did not come, but {self.written!r}"
            self._read()
        return self.written

    def ended(self) -> int:
        """Read to the end; return the exit status."""
        ends = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < ends, f"it did not end, but wrote {self.written!r}"
            self._read()
        while self._read():
            pass
        return self.process.wait()

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 0.1)[0]:
            return False
        with contextlib.suppress(OSError):  # what Linux says once nobody holds the other side
            read = os.read(self._master, 65536)
            self.written += read.decode(errors="replace")
            return bool(read)
        return False


def settings_of(master: int) -> object:
    """How the terminal is set up: echo, line by line, keys."""
    return termios.tcgetattr(master)[:4]


@contextlib.contextmanager
def terminal(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, *, lines: int, columns: int
) -> Iterator[Terminal]:
    """Run a command in a terminal of that size; what is left of it is ended with the block."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    before = settings_of(master)
    process = subprocess.Popen(
        words,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        cwd=folder,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
        assert settings_of(master) == before
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)
