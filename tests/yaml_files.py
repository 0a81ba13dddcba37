"""Reads files of YAML with libyaml where it is there: Python's own reader takes a second for the CRDs of one mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def document(file: Path) -> Any:
    """Return the one document of a file."""
    return yaml.load(file.read_text(encoding="utf-8"), LOADER)


def documents(file: Path) -> list[Any]:
    """Return the documents of a file, without the empty ones."""
    return [one for one in yaml.load_all(file.read_text(encoding="utf-8"), LOADER) if one]
