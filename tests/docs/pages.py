"""The pages that people read, and what stands in them: blocks, links, headings, words in code."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))])
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its page, its number among those of its language there, its text without the indent of a list."""

    page: Path
    number: int
    text: str

    @property
    def title(self) -> str:
        """The page and the first line."""
        return f"{shown(self.page)}: {self.text.splitlines()[0]}"

    def __str__(self) -> str:
        return f"{shown(self.page)} {self.number}"


def shown(page: Path) -> str:
    """The path from the root of the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(language: str, page: Path | None = None) -> list[Block]:
    """The fenced blocks of a language, of one page or of all, within lists too."""
    pages = PAGES if page is None else [page]
    return [block for one in pages for block in _blocks(one, language)]


def _blocks(page: Path, language: str) -> list[Block]:
    found = _FENCE.finditer(page.read_text(encoding="utf-8"))
    texts = [textwrap.dedent(match["text"]) for match in found if match["language"] == language]
    return [Block(page=page, number=at, text=text) for at, text in enumerate(texts, 1)]


def prose(page: Path) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """What stands between backticks in the prose, lines joined."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose(page))]


def all_spans() -> set[str]:
    return {span for page in PAGES for span in spans(page)}


def all_text() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def anchors(page: Path) -> set[str]:
    """What a link may name after `#`: the headings as GitHub spells them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    bare = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in bare}


def source(folder: str, *, but: tuple[str, ...] = ()) -> str:
    """All Python of a folder in one text, without some of its folders."""
    files = sorted(path for path in (ROOT / folder).rglob("*.py") if not {*but} & {*path.relative_to(ROOT).parts})
    return "\n".join(path.read_text(encoding="utf-8") for path in files)
