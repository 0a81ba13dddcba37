"""Prints how many examples each property was given, where that was asked for."""

from __future__ import annotations

import pytest

from tests.fuzz.counts import EXAMPLES, TRIED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if EXAMPLES and TRIED:
        terminalreporter.section("examples")
        for name, count in sorted(TRIED.items()):
            terminalreporter.write_line(f"{count:9,} {name}")
        terminalreporter.write_line(f"{TRIED.total():9,} in all")
