"""What an audit of the dependencies says."""

from __future__ import annotations

from typing import Any

from tests.audit import looked_up, vulnerable

FAULTS = [{"id": "CVE-1", "fix_versions": ["2.1"]}, {"id": "CVE-2", "fix_versions": []}]
REPORT: list[dict[str, Any]] = [
    {"name": "sound", "version": "1.0", "vulns": []},
    {"name": "leaky", "version": "2.0", "vulns": FAULTS},
    {"name": "unknown", "skip_reason": "not found"},
]


def test_each_vulnerability_is_a_line_with_its_remedy() -> None:
    assert vulnerable(REPORT) == ["leaky 2.0: CVE-1, mended in 2.1", "leaky 2.0: CVE-2, mended in no version yet"]


def test_what_was_not_looked_up_does_not_count_as_sound() -> None:
    assert looked_up(REPORT) == 2
