"""How findings are printed: lines for people, JSON for programs, annotations for GitHub's checks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from canary.lint.model import Finding, Level


def lines(found: Sequence[Finding], canaries: int) -> Iterator[str]:
    """Yield a line for each finding, in the form of compilers, and one that sums them up."""
    for one in found:
        yield f"{one.place.file}:{one.place.line}: {one.level.value}: {one.text} [{one.rule}]"
    counts = [f"{sum(one.level is level for one in found)} {level.value}s" for level in Level]
    shown = "1 canary" if canaries == 1 else f"{canaries} canaries"
    if not canaries and not found:
        yield 'no canary: no Deployment here has the annotation canary.delivery/enabled: "true"'
    else:
        yield f"{shown}: {', '.join(counts)}"


def as_json(found: Iterable[Finding], canaries: int) -> str:
    """Return `{"canaries": N, "findings": [...]}`; docs/commands.md names the fields."""
    return json.dumps({"canaries": canaries, "findings": [_plain(one) for one in found]}, indent=2)


def _plain(one: Finding) -> dict[str, Any]:
    return {
        "level": one.level.value,
        "rule": one.rule,
        "file": one.place.file,
        "line": one.place.line,
        "object": one.place.object,
        "key": one.place.key,
        "found": one.found,
        "allowed": one.allowed,
        "remedy": one.remedy,
    }


_COMMANDS = {Level.FAULT: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def github(found: Iterable[Finding]) -> Iterator[str]:
    """Yield workflow commands that GitHub shows beside the lines (docs.github.com, "Workflow commands")."""
    for one in found:
        file, title = _property(one.place.file), _property(f"canary lint: {one.rule}")
        yield f"::{_COMMANDS[one.level]} file={file},line={one.place.line},title={title}::{_data(one.text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
