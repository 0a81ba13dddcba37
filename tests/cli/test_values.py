"""Values and limits of checks are shown in the unit of what they measure, whatever stands in a status."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from canary.cli.status_view import details
from tests.builders import canary

CHECKS = [
    {"name": "good", "builtin": "success-rate", "min": 99},
    {"name": "tail", "builtin": "latency-p99", "max": "500ms"},
    {"name": "lag", "query": "sum(lag)", "max": 100},
]


@pytest.mark.parametrize(
    ("name", "value", "limit", "told"),
    [
        ("good", 98.123456, 99, "98.12 %, limit 99 %"),
        ("tail", 0.099, 0.5, "99ms, limit 500ms"),
        ("tail", 1e300, 0.5, "1e+300 s, limit 500ms"),
        ("tail", float("nan"), 0.5, "nan s, limit 500ms"),
        ("lag", 12, 100, "12, limit 100"),
        ("gone", 12, None, "12, limit -"),
    ],
)
def test_a_check_is_shown_in_its_unit(name: str, value: Any, limit: Any, told: str) -> None:
    one = canary(analysis={"checks": CHECKS})
    one["status"] = {"checks": [{"name": name, "value": value, "limit": limit, "verdict": "passed", "requests": 7}]}
    out = io.StringIO()
    Console(file=out, width=200).print(details(one))
    assert f"{name}  passed  {told}  7 requests" in out.getvalue()
