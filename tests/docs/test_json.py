"""The fields of what `-o json` prints are those that the page of commands lists: each of them, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.prometheus import prometheus
from tests.cli.shell import run
from tests.docs.cluster import standing_cluster
from tests.docs.pages import DOCS, ROOT
from tests.docs.test_blocks import answers
from tests.lint.cases import SOUND

PAGE = (DOCS / "commands.md").read_text(encoding="utf-8")
EXAMPLE = str(ROOT / "manifests" / "examples" / "istio" / "checkout.yaml")
NOT_FIELDS = {'""', "-o json", "null", "false", "--no-wait", "[]"}


def told(section: str) -> set[str]:
    """The words in code of what a section says of JSON, without the values in brackets behind a field."""
    [text] = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    [said] = re.findall(r"With `-o\s+json`.*?(?=\n\n|\Z)", text, re.S)
    listed = re.sub(r"\((?:`[a-z_]+`(?:, )?){2,}\)", "", said)
    return {" ".join(span.split()) for span in re.findall(r"`([^`]+)`", listed)} - NOT_FIELDS


def fields(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from fields(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner)


def printed(*words: str, given: str = "") -> set[str]:
    return set(fields(json.loads(run(*words, "-o", "json", given=given).out)))


def test_what_lint_prints_has_the_fields_of_the_page() -> None:
    assert printed("lint", "-", given=SOUND.replace("checkout:1.0.0", "checkout")) == told("Lint")


def test_what_plan_prints_has_the_fields_of_the_page() -> None:
    with prometheus(answers) as url:
        assert printed("plan", EXAMPLE, "--prometheus-url", url) == told("Plan")


def test_what_doctor_prints_has_the_fields_of_the_page(tmp_path: Path) -> None:
    assert printed("doctor", "--kubeconfig", str(tmp_path / "none")) == told("Doctor")


def test_what_migrate_prints_has_the_fields_of_the_page() -> None:
    found = json.loads(run("migrate", "flagger", str(DOCS / "samples" / "flagger"), "-o", "json").out)
    assert set(found) | set(fields(found["remarks"])) == told("Migrate")
    assert all(yaml.safe_dump(one) for one in found["manifests"])


@pytest.mark.parametrize(
    ("section", "words"),
    [("Command", ("pause", "checkout")), ("Wait", ("wait", "checkout", "--timeout", "5s"))],
)
def test_what_is_printed_of_a_cluster_has_the_fields_of_the_page(
    section: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    with standing_cluster(tmp_path) as kubeconfig:
        assert printed(*words, "--kubeconfig", str(kubeconfig)) == told(section)


def test_what_status_prints_has_the_fields_of_the_page(tmp_path: Path) -> None:
    with standing_cluster(tmp_path) as kubeconfig:
        one = json.loads(run("status", "checkout", "-o", "json", "--kubeconfig", str(kubeconfig)).out)
    assert {field for field in told("Look") if re.fullmatch(r"[a-z]+", field)} & set(one) == set(one)
