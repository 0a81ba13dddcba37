"""What an audit of the dependencies says."""

from __future__ import annotations

from typing import Any

from tests.audit import said, vulnerable

FAULTS = [{"id": "CVE-1", "fix_versions": ["2.1"]}, {"id": "CVE-2", "fix_versions": []}]
REPORT: list[dict[str, Any]] = [
    {"name": "sound", "version": "1.0", "vulns": []},
    {"name": "leaky", "version": "2.0", "vulns": FAULTS},
    {"name": "unlisted", "skip_reason": "not found"},
]


def test_each_vulnerability_is_a_line_with_its_remedy() -> None:
    assert vulnerable(REPORT) == ["leaky 2.0: CVE-1, mended in 2.1", "leaky 2.0: CVE-2, mended in no version yet"]


def test_what_was_not_looked_up_is_warned_of_by_name() -> None:
    assert said(REPORT)[2:] == [
        "2 of 3 pinned dependencies were looked up, 2 known vulnerabilities",
        "WARNING: make audit: whether there are known vulnerabilities is not known of unlisted",
    ]


def test_where_no_index_answers_all_is_unknown() -> None:
    assert said([]) == [
        "0 of 0 pinned dependencies were looked up, 0 known vulnerabilities",
        "WARNING: make audit: whether there are known vulnerabilities is not known of any dependency",
    ]


def test_where_all_was_looked_up_nothing_is_warned_of() -> None:
    assert said(REPORT[:1]) == ["1 of 1 pinned dependencies were looked up, 0 known vulnerabilities"]
