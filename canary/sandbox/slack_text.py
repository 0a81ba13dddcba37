"""A Slack message as text for a terminal or a page: what its reader sees, without the layout."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any


def plain(text: str, blocks: Sequence[Mapping[str, Any]], attachments: Sequence[Mapping[str, Any]]) -> str:
    """Return the message as lines: emphasis taken away, mentions as @name, facts one a line.

    Where there are blocks, `text` is only for notifications and is left out, as Slack does.
    """
    parts = _texts(blocks) if blocks else [text]
    for attachment in attachments:
        parts += _texts(attachment.get("blocks", ())) or [str(attachment.get("fallback", ""))]
    return "\n".join(_plain(part) for part in parts if part)


def _texts(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts of section, header and context blocks in their order."""
    found: list[str] = []
    for block in blocks:
        parts = [block.get("text"), *block.get("fields", ()), *block.get("elements", ())]
        found += [str(part.get("text", "")) for part in parts if isinstance(part, Mapping)]
    return found


def _plain(text: str) -> str:
    text = re.sub(r"^\*(.+)\*\n", r"  \1: ", text)
    text = re.sub(r"\*(\S(?:[^*\n]*\S)?)\*", r"\1", text)
    text = re.sub(r"<!date\^\d+\^[^|>]*\|([^>]*)>", r"\1", text)
    text = re.sub(r"<!subteam\^(\w+)>|<[@!](\w+)>", lambda found: f"@{found[1] or found[2]}", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
