"""Lets virtual time pass as soon as nothing is left to run.

looptime polls 42 times more before it moves the time on, for what other threads or sockets may still bring. A test in
virtual time has neither (CONTRIBUTING), and what is not ready in a loop without them never becomes so by itself.
"""

from __future__ import annotations

import pytest

IDLE_CYCLES = 0


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test in virtual time the option, unless its own mark has it."""
    if item.get_closest_marker("looptime") is not None:
        item.add_marker(pytest.mark.looptime(noop_cycles=IDLE_CYCLES))
