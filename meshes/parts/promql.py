"""PromQL text that no name can leave."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What means something in RE2."""


def quoted(text: str) -> str:
    """Return a PromQL string that means `text`, whatever is in it. PromQL escapes as Go does, and JSON's are a part."""
    return json.dumps(text, ensure_ascii=False)


def one_of(label: str, values: Iterable[str]) -> str:
    """Return the matcher of a label that has one of these values, at least one, whatever is in them."""
    different = sorted(set(values))
    if len(different) == 1:
        return f"{label}={quoted(different[0])}"
    escaped = (_SPECIAL.sub(r"\\\g<0>", value) for value in different)
    return f"{label}=~{quoted('|'.join(escaped))}"
