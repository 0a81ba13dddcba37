"""Every link and every path that a page names leads somewhere, to the very heading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, prose, shown, spans

FOLDERS = ("canary/", "docs/", "manifests/", "meshes/", "tests/", ".ci/")
MADE_UP = {"tests/plants/weight-may-fall.patch"}
"""Paths that a page makes up to show how something is named."""


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)[^)]*\)", prose(page))
    return [link for link in found if "://" not in link]


def dead(page: Path, link: str) -> str:
    """Why a link leads nowhere; "" when it leads somewhere."""
    path, _, anchor = link.partition("#")
    there = (page.parent / path).resolve() if path else page
    if not there.exists():
        return f"{link}: there is no such file"
    if anchor and anchor not in anchors(there):
        return f"{link}: no such heading among {sorted(anchors(there))}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_link_leads_to_a_file_and_a_heading_of_it(page: Path) -> None:
    assert [why for link in links(page) if (why := dead(page, link))] == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_path_of_the_repository_that_is_named_is_there(page: Path) -> None:
    words = {word.removeprefix("../canary/") for span in spans(page) for word in span.split()}
    named = {word for word in words if word.startswith(FOLDERS) and re.fullmatch(r"[\w./-]+", word)}
    assert [path for path in sorted(named - MADE_UP) if not (ROOT / path).exists()] == []


def test_every_page_can_be_reached_from_the_first_one() -> None:
    seen, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
        left += [one for one in targets if one.suffix == ".md" and one.is_relative_to(ROOT)]
        left += [one for folder in targets if folder.is_dir() and "docs" in folder.parts for one in folder.glob("*.md")]
    assert [shown(page) for page in PAGES if page not in seen] == []


def test_every_example_is_named_by_a_page() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    examples = sorted((ROOT / "manifests" / "examples").rglob("*.yaml"))
    assert [shown(file) for file in examples if shown(file) not in text] == []
