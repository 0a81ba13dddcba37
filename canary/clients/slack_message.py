"""What a notification looks like in Slack. Pure: nothing here sends.

The limits stay under Slack's: 10 fields of 2,000 characters in a section block, text best under 4,000
(https://docs.slack.dev/reference/block-kit/blocks/section-block, https://docs.slack.dev/reference/methods/chat.postMessage),
and all blocks of a message together under about 13,000, which Slack enforces as `msg_blocks_too_long` but does not
document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from canary.ports import Notification

TEXT_LIMIT = 3000
FIELD_LIMIT = 400
FACT_LIMIT = 20
FIELDS_PER_BLOCK = 10
MENTION_LIMIT = 20
TOGETHER_LIMIT = 5000
"""Of all lines of a message that tells several notices: half of what Slack takes, for each character may be escaped."""
LINE_LIMIT = 400
LINES_PER_BLOCK = 5

GOOD, BAD = "#2eb67d", "#e01e5a"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """The body of a message, without a channel. `text` is shown first, and alone on a phone's lock screen."""

    text: str
    attachments: tuple[Mapping[str, Any], ...]

    def body(self) -> dict[str, Any]:
        """Return the fields for `chat.postMessage`, `chat.update` and webhooks alike."""
        return {"text": self.text, "attachments": [dict(part) for part in self.attachments]}


def render(notice: Notification, *, mention: str = "") -> SlackMessage:
    """Return the message. `mention` (a user's, group's or `here`) is used when the notice calls for one and has none.

    What the notice says is shown as it is: nothing in it can mention, link or break the form. Text that is too long is
    cut and ends in "…"; facts over 20 are left out and counted.
    """
    sign = "🔴" if notice.failure else "🟢"
    whom = mentions(notice.mention or mention) if notice.mentions else ""
    head = f"{sign} *{fit(f'{notice.namespace}/{notice.canary}', 300)}* "
    tail = f" {whom}" if whom else ""
    text = head + fit(notice.text, TEXT_LIMIT - len(head) - len(tail)) + tail
    colour = BAD if notice.failure else GOOD
    blocks = [*_fields(notice.facts), _context(notice)]
    fallback = fit(f"{notice.reason}: {notice.text}", 300)
    return SlackMessage(text=text, attachments=({"color": colour, "fallback": fallback, "blocks": blocks},))


def render_together(notices: Sequence[Notification], *, mention: str = "") -> SlackMessage:
    """Return one message that tells several notices of a canary, a line each, oldest first, without their facts.

    It is a failure's when one of them is, and mentions when one calls for it. Text that is too long is cut.
    """
    failure = any(notice.failure for notice in notices)
    calling = next((notice for notice in notices if notice.mentions), None)
    whom = mentions(calling.mention or mention) if calling else ""
    first = notices[0]
    name = fit(f"{first.namespace}/{first.canary}", 300)
    many = f"{len(notices)} things came faster than Slack takes messages"
    text = f"{'🔴' if failure else '🟢'} *{name}* {many}{f' {whom}' if whom else ''}"
    room = min(LINE_LIMIT, TOGETHER_LIMIT // len(notices))
    lines = [_line(notice, room) for notice in notices]
    groups = [lines[at : at + LINES_PER_BLOCK] for at in range(0, len(lines), LINES_PER_BLOCK)]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(group)}} for group in groups]
    fallback = f"{first.reason} to {notices[-1].reason}"
    part = {"color": BAD if failure else GOOD, "fallback": fit(fallback, 300), "blocks": blocks}
    return SlackMessage(text=text, attachments=(part,))


def when(moment: datetime) -> str:
    """Return a moment that Slack shows in each reader's time zone.

    https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    """
    seconds = int(moment.timestamp())
    return f"<!date^{seconds}^{{time_secs}}|{moment.astimezone(UTC):%H:%M:%S} UTC>"


def _line(notice: Notification, room: int) -> str:
    at = f"{when(notice.at)} " if notice.at else ""
    words = "".join(each if each.isprintable() else " " for each in f"{notice.reason}: {notice.text}")
    return f"{'🔴' if notice.failure else '🟢'} {at}{fit(words, room)}"


def escape(text: str) -> str:
    """Make the three characters that Slack gives a meaning harmless, and drop NUL, which it refuses."""
    return text.replace("\0", "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fit(text: str, limit: int) -> str:
    """Return `text` escaped, in at most `limit` characters; what is cut ends in "…"."""
    whole = escape(text)
    if len(whole) <= limit:
        return whole
    return re.sub(r"&[a-z]*$", "", whole[: limit - 1]) + "…"


def mentions(whom: str) -> str:
    """Turn `here`, `@channel`, `U123`, `@W123`, `S123` or Slack's own `<@U123>` into mentions; the rest stays text.

    Several are separated by spaces or commas.
    """
    return " ".join(_mention(name) for name in re.split(r"[\s,]+", whom.strip())[:MENTION_LIMIT] if name)


def _mention(name: str) -> str:
    bare = name.removeprefix("@")
    if bare in ("here", "channel", "everyone"):
        return f"<!{bare}>"
    if re.fullmatch(r"[UW][A-Z0-9]{2,20}", bare):
        return f"<@{bare}>"
    if re.fullmatch(r"S[A-Z0-9]{2,20}", bare):
        return f"<!subteam^{bare}>"
    if re.fullmatch(r"<(@[UW][A-Z0-9]{2,20}|!(here|channel|everyone)|!subteam\^S[A-Z0-9]{2,20})>", name):
        return name
    return fit(name, 80)


def _fields(facts: Mapping[str, str]) -> list[dict[str, Any]]:
    shown = [(name, value) for name, value in facts.items() if name or value]
    if len(shown) > FACT_LIMIT:
        left_out = len(shown) - FACT_LIMIT + 1
        shown = [*shown[: FACT_LIMIT - 1], ("More", f"{left_out} facts are left out")]
    fields = [{"type": "mrkdwn", "text": _field(name, value)} for name, value in shown]
    return [
        {"type": "section", "fields": fields[start : start + FIELDS_PER_BLOCK]}
        for start in range(0, len(fields), FIELDS_PER_BLOCK)
    ]


def _field(name: str, value: str) -> str:
    label = f"*{fit(name, 100)}*\n"
    return label + fit(value, FIELD_LIMIT - len(label))


def _context(notice: Notification) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": fit(notice.reason, 300) or "canary"}]}
