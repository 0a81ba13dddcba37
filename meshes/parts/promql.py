"""PromQL text that no name can leave."""

from __future__ import annotations

import json


def quoted(text: str) -> str:
    """Return a PromQL string that means `text`, whatever is in it. PromQL escapes as Go does, and JSON's are a part."""
    return json.dumps(text, ensure_ascii=False)
