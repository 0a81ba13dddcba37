"""A bound in real time for tests in virtual time: one that would wait for ever fails, and says what it waits for.

Virtual time passes at once, so such a test needs a bound only when it is broken: what it waits for never comes, or
something in it never ends. Its fixtures are bounded too, since they wait for the tasks that the test began.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

BOUND_S = 60.0
"""Far longer than any test in virtual time takes on a busy machine."""
MINUTES_S = 240.0
"""What a test asks for that is many in one."""


class _TooLong(KeyboardInterrupt):
    """Raised wherever the main thread is. asyncio keeps any other exception in the task that happens to run."""


@contextmanager
def bounded(seconds: float = BOUND_S) -> Iterator[None]:
    """Fail when the block takes longer, again and again while it is being left. Does nothing without SIGALRM."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    except _TooLong as interrupted:
        pytest.fail(
            f"it did not end within {seconds:g} s of real time, in which virtual time passes at once; {interrupted}"
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    raise _TooLong("; ".join(_waiting()) or f"it ran {_line(frame)}")


def _waiting() -> Iterator[str]:
    """Yield where each task of the loop that runs now stands."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        return
    for task in sorted(tasks, key=lambda each: each.get_name()):
        yield f"{task.get_name()} is at {_line(next(iter(task.get_stack(limit=1)), None))}"


def _line(frame: FrameType | None) -> str:
    return "no line" if frame is None else f"{frame.f_code.co_qualname}, line {frame.f_lineno}"


def is_virtual(item: pytest.Item) -> bool:
    return item.get_closest_marker("looptime") is not None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "bound(seconds): the real time that a test in virtual time may take")


def bound_of(item: pytest.Item) -> float:
    """Return the real time that a test may take: the usual, unless it does so much that it asks for more."""
    mark = item.get_closest_marker("bound")
    return float(mark.args[0]) if mark is not None else BOUND_S


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    if not is_virtual(item):
        return (yield)
    with bounded(bound_of(item)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    if not is_virtual(item):
        return (yield)
    with bounded(bound_of(item)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    if not is_virtual(item):
        return (yield)
    with bounded(bound_of(item)):
        return (yield)
