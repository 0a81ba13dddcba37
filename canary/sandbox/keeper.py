"""Runs one foreign program for as long as its own standard input is open, then kills it and removes its folder.

    python -I -S keeper.py FOLDER PROGRAM ARGUMENT...

This is how Envoy, which does not watch its input, ends with the program that started it however that was killed.
It is run as a file and needs only the standard library, so that it starts at once. It says `{"exit": CODE}` when the
program ends by itself, and keeps the folder until its input closes.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1


def keep(folder: str, argv: list[str]) -> None:
    """Run the program until standard input ends; always remove the folder."""
    try:
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=2, preexec_fn=_die_with_keeper) as program:
            threading.Thread(target=_report, args=(program,), daemon=True).start()
            sys.stdin.buffer.read()
            program.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _report(program: subprocess.Popen[bytes]) -> None:
    code = program.wait()
    sys.stdout.write(json.dumps({"exit": code}) + "\n")
    sys.stdout.flush()


def _die_with_keeper() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    keep(sys.argv[1], sys.argv[2:])
