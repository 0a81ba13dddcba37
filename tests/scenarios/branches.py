"""A scenario that goes on in another way from each of its moments, with what lies before lived once.

At such a moment the process is copied, and only the copy, the branch, is given the crash. It has lived through exactly
what a scenario of its own would have until then, so nothing is shown less by it, at less than half the cost. A branch
is an end: it goes through the rest of the test and its fixtures, says how that ended, and is gone (see conftest.py).
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import traceback
import warnings
from typing import NoReturn

from tests.bounded import BOUND_S

WELL = "well"


class Branches:
    """The branches of one test. `points` names them in order, `failed` has what went wrong in those that failed."""

    def __init__(self) -> None:
        self.points: list[str] = []
        self.failed: dict[str, str] = {}
        self._report: int | None = None

    @property
    def in_branch(self) -> bool:
        """Whether this process is such a copy."""
        return self._report is not None

    def begin(self, point: str) -> bool:
        """Return True in a branch of this test, and then False in the test itself, once the branch has ended.

        Must be called while an event loop runs that nothing but itself moves: no threads, no sockets. There are no
        branches of branches.
        """
        if self.in_branch:
            return False
        loop = asyncio.get_running_loop()
        ours, theirs = os.pipe()
        child = _fork()
        if child == 0:
            os.close(ours)
            self._report = theirs
            asyncio._set_running_loop(loop)  # asyncio takes it from a new process
            signal.setitimer(signal.ITIMER_REAL, BOUND_S, BOUND_S)  # timers are not inherited
            return True
        os.close(theirs)
        self.points.append(point)
        self._wait(point, child, ours)
        return False

    def _wait(self, point: str, child: int, report: int) -> None:
        try:
            with open(report, encoding="utf-8") as lines:
                said = lines.read()
        except BaseException:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            _, status = os.waitpid(child, 0)
        if said != WELL:
            self.failed[point] = said or f"the process ended without a word, with {status}"

    def end(self, failure: BaseException | None) -> NoReturn:
        """End this branch."""
        assert self._report is not None
        said = WELL if failure is None else "".join(traceback.format_exception(failure))
        with open(self._report, "w", encoding="utf-8", errors="replace") as report:
            report.write(said)
        os._exit(0)


def _fork() -> int:
    """Copy the process, and have the copy's collector leave alone what is shared with the first."""
    with warnings.catch_warnings():
        # Newer versions of Python warn of other threads. That of pytest-xdist waits for its next message.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        gc.freeze()
    return child
