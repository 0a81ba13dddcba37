"""Prints how many examples each property was given, by whichever worker, where that was asked for."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.fuzz.counts import EXAMPLES, PROPERTY, TRIED


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        pyfuncitem.user_properties.append((PROPERTY, TRIED[pyfuncitem.originalname]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not EXAMPLES:
        return
    tried = {
        report.nodeid.rpartition("::")[2]: int(str(dict(report.user_properties)[PROPERTY]))
        for outcome in terminalreporter.stats.values()
        for report in outcome
        if isinstance(report, pytest.TestReport) and report.when == "call" and PROPERTY in dict(report.user_properties)
    }
    terminalreporter.section("examples")
    for name, count in sorted(tried.items()):
        terminalreporter.write_line(f"{count:9,} {name}")
    terminalreporter.write_line(f"{sum(tried.values()):9,} in all")
