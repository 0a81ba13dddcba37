"""Gathers the texts that lint and plan read: files, folders and standard input. Not its job: what they say."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from canary.controller.names import GENERATED, MANAGED_BY, MANAGER
from canary.lint.model import Document, Finding, Place, map_at, maps_at
from canary.lint.reading import Read, read

STDIN = "-"
SUFFIXES = (".yaml", ".yml", ".json")
LARGEST = 32 * 1024 * 1024
_LEFT_OUT = ("node_modules", "__pycache__")


def gathered(paths: Iterable[str]) -> Read:
    """Return what all files hold. Of a folder every YAML and JSON file counts, hidden ones not; `-` is standard input.

    What a cluster made by itself (`kubectl get all -o yaml`) is left out: nobody could mend it. A file that cannot be
    read is a finding. Raises FileNotFoundError for a path that is not there.
    """
    found = Read()
    for path in paths:
        for name, text in _texts(path):
            one = read(text, name) if isinstance(text, str) else Read(findings=[text])
            found.documents += [document for document in one.documents if not _is_made(document)]
            found.findings += one.findings
    return found


def _is_made(document: Document) -> bool:
    """Return whether an object was read from a cluster in which a controller, ours or another, has made it."""
    labels = map_at(document.manifest, "metadata", "labels")
    owners = maps_at(document.manifest, "metadata", "ownerReferences")
    ours = labels.get(MANAGED_BY) == MANAGER or GENERATED in labels
    return document.is_live and (ours or any(owner.get("controller") is True for _, owner in owners))


def _texts(path: str) -> Iterator[tuple[str, str | Finding]]:
    if path == STDIN:
        if sys.stdin is None:
            yield "<stdin>", _unreadable("<stdin>", "a standard input that is closed")
        else:
            yield "<stdin>", _text(sys.stdin.buffer.read(LARGEST + 1), "<stdin>")
        return
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(path)
    for file in _within(root) if root.is_dir() else [root]:
        try:
            with file.open("rb") as opened:
                content = opened.read(LARGEST + 1)
        except OSError as error:
            yield str(file), _unreadable(str(file), error.strerror or str(error))
        else:
            yield str(file), _text(content, str(file))


def _within(folder: Path) -> list[Path]:
    found = [file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()]
    return sorted(file for file in found if not _is_hidden(file.relative_to(folder)))


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") or part in _LEFT_OUT for part in file.parts)


def _text(content: bytes, name: str) -> str | Finding:
    if len(content) > LARGEST:
        return _unreadable(name, f"more than {LARGEST // 1024 // 1024} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable(name, f"the byte 0x{content[error.start]:02x} at {error.start}, which is no UTF-8")


def _unreadable(name: str, found: str) -> Finding:
    return Finding(
        place=Place(file=name, line=1),
        rule="unreadable",
        found=found,
        allowed="a text in UTF-8 that can be read",
        remedy="save it as UTF-8, or leave it out",
    )
