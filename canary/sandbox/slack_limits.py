"""Which messages Slack refuses, by its documented limits, and with which error.

https://docs.slack.dev/reference/block-kit/blocks, https://docs.slack.dev/reference/methods/chat.postMessage and, for
all blocks together, what people measured (`msg_blocks_too_long`). Only the blocks and fields that canary may use are
known; others are refused, so that a message that passes here is one that Slack takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

TEXT = 40_000
BLOCKS = 50
BLOCKS_TEXT = 13_000
ATTACHMENTS = 100
FIELDS = 10
ELEMENTS = 10
METADATA = 8_000
"""Slack says that metadata has a limit (`metadata_too_large`), not which; this is far under what it takes."""

SECTION_TEXT, FIELD_TEXT, HEADER_TEXT, CONTEXT_TEXT = 3000, 2000, 150, 3000


def fault(body: object) -> str:
    """Return Slack's error code for this message, "" when Slack would take it."""
    if not isinstance(body, Mapping):
        return "invalid_payload"
    text, blocks, attachments = body.get("text") or "", body.get("blocks") or (), body.get("attachments") or ()
    if not (text or blocks or attachments):
        return "no_text"
    if not isinstance(text, str) or len(text) > TEXT:
        return "msg_too_long"
    if wrong := _fault_of_metadata(body.get("metadata")):
        return wrong
    if not _lists(blocks, attachments):
        return "invalid_blocks"
    if len(attachments) > ATTACHMENTS:
        return "too_many_attachments"
    return _fault_of_blocks([blocks, *(part.get("blocks") or () for part in attachments)])


def _fault_of_metadata(metadata: object) -> str:
    """https://docs.slack.dev/messaging/message-metadata: a type of letters, digits and `_`, and a flat payload."""
    if metadata is None:
        return ""
    if not isinstance(metadata, Mapping) or set(metadata) != {"event_type", "event_payload"}:
        return "invalid_metadata_format"
    kind, payload = metadata["event_type"], metadata["event_payload"]
    if not isinstance(kind, str) or not kind.replace("_", "").isalnum() or not isinstance(payload, Mapping):
        return "invalid_metadata_schema"
    if not all(isinstance(value, str | int | float) for value in payload.values()):
        return "invalid_metadata_schema"
    return "metadata_too_large" if len(json.dumps(metadata)) > METADATA else ""


def _fault_of_blocks(groups: Sequence[Sequence[object]]) -> str:
    if any(len(group) > BLOCKS or not all(_block_is_good(block) for block in group) for group in groups):
        return "invalid_blocks"
    return "msg_blocks_too_long" if sum(_size(group) for group in groups if group) > BLOCKS_TEXT else ""


def _size(group: Sequence[object]) -> int:
    return len(json.dumps(group, ensure_ascii=False, separators=(",", ":")))


def _lists(blocks: object, attachments: object) -> bool:
    return (
        isinstance(blocks, Sequence)
        and isinstance(attachments, Sequence)
        and all(isinstance(part, Mapping) and isinstance(part.get("blocks") or (), Sequence) for part in attachments)
    )


def _block_is_good(block: object) -> bool:
    if not isinstance(block, Mapping):
        return False
    match block.get("type"):
        case "section":
            text, fields = block.get("text"), block.get("fields")
            return (text is not None or bool(fields)) and _section_is_good(text, fields)
        case "header":
            return _text_is_good(block.get("text"), HEADER_TEXT, kinds=("plain_text",))
        case "context":
            elements = block.get("elements")
            return _texts_are_good(elements, ELEMENTS, CONTEXT_TEXT)
        case "divider":
            return True
        case _:
            return False


def _section_is_good(text: object, fields: object) -> bool:
    if text is not None and not _text_is_good(text, SECTION_TEXT):
        return False
    return fields is None or _texts_are_good(fields, FIELDS, FIELD_TEXT)


def _texts_are_good(texts: object, most: int, limit: int) -> bool:
    return isinstance(texts, Sequence) and 0 < len(texts) <= most and all(_text_is_good(text, limit) for text in texts)


def _text_is_good(text: object, limit: int, *, kinds: Sequence[str] = ("mrkdwn", "plain_text")) -> bool:
    if not isinstance(text, Mapping) or text.get("type") not in kinds:
        return False
    said = text.get("text")
    return isinstance(said, str) and 0 < len(said) <= limit
