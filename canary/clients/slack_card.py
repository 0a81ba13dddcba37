"""What the one message of a rollout looks like in Slack. Pure: nothing here sends.

Limits: 50 blocks, 150 characters in a header, 3,000 in a section's text, 2,000 in a field
(https://docs.slack.dev/reference/block-kit/blocks), and all blocks together under what `slack_message` says.
"""

from __future__ import annotations

from typing import Any, assert_never

from canary.clients.slack_message import FIELD_LIMIT, fit, when
from canary.ports import Card, CheckLine, Mood

CELLS = 10
HEADER_LIMIT = 150
CHECKS_LIMIT = 2900
CHECK_LIMIT = 300
MESSAGE_LIMIT = 1500
COMMAND_LIMIT, MOST_COMMANDS = 200, 3


def render_card(card: Card) -> dict[str, Any]:
    """Return the fields of the message for `chat.postMessage` and `chat.update`; the same card gives the same."""
    name = f"{card.namespace}/{card.canary}"
    state = f"{card.phase} at {card.weight} %" if card.ended_at is None else card.phase
    blocks = [
        _header(f"{_sign(card.mood)} {name}: {state}"),
        _section(_progress(card)),
        {"type": "section", "fields": _fields(card)},
    ]
    if card.checks:
        blocks.append(_section(_checks(card)))
    blocks.append(_section(_message(card)))
    if card.commands:
        words = " · ".join(f"`{fit(command, COMMAND_LIMIT)}`" for command in card.commands[:MOST_COMMANDS])
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": words}]})
    return {"text": fit(f"{_sign(card.mood)} {name}: {state}. {card.message}", MESSAGE_LIMIT), "blocks": blocks}


def _sign(mood: Mood) -> str:
    match mood:
        case Mood.RUNNING:
            return "🔵"
        case Mood.WAITING:
            return "🟡"
        case Mood.GOOD:
            return "🟢"
        case Mood.BAD:
            return "🔴"
        case Mood.ENDED:
            return "⚪"
        case _:
            assert_never(mood)


def _header(text: str) -> dict[str, Any]:
    text = text.replace("\0", "")
    cut = text if len(text) <= HEADER_LIMIT else f"{text[: HEADER_LIMIT - 1]}…"
    return {"type": "header", "text": {"type": "plain_text", "text": cut, "emoji": True}}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _progress(card: Card) -> str:
    if card.ended_at is not None:
        return f"{'▰' * CELLS} serves *all* requests" if card.mood is Mood.GOOD else f"{'▱' * CELLS} gets *no* requests"
    filled = min(CELLS, max(0, round(card.weight * CELLS / 100)))
    if card.weight:
        filled = max(1, filled)
    bar = "▰" * filled + "▱" * (CELLS - filled)
    if not card.steps:
        return f"{bar} *{card.weight} %*"
    weights = ", ".join(f"*{one}*" if at == card.step else str(one) for at, one in enumerate(card.steps[:30], start=1))
    more = "…" if len(card.steps) > 30 else ""
    return f"{bar} *{card.weight} %* of the requests, step {max(card.step, 0)} of {len(card.steps)} ({weights}{more} %)"


def _fields(card: Card) -> list[dict[str, Any]]:
    started = when(card.started_at) if card.started_at else ""
    ended = when(card.ended_at) if card.ended_at else ""
    facts = {
        "Image": fit(card.image, FIELD_LIMIT),
        "Revision": fit(card.revision, FIELD_LIMIT),
        "Stable revision": fit(card.stable, FIELD_LIMIT) if card.ended_at is None else "",
        "Started": started,
        "Ended": ended,
    }
    shown = [f"*{name}*\n{value}" for name, value in facts.items() if value] or ["*Canary*"]
    return [{"type": "mrkdwn", "text": text} for text in shown]


def _checks(card: Card) -> str:
    lines: list[str] = []
    room = CHECKS_LIMIT
    for check in card.checks:
        line = _check(check)
        if len(line) + 1 > room:
            lines.append(f"… and {len(card.checks) - len(lines)} more")
            break
        lines.append(line)
        room -= len(line) + 1
    return "\n".join(lines)


def _check(check: CheckLine) -> str:
    sign = {True: "✅", False: "❌", None: "⏳"}[check.passed]
    return f"{sign} {fit(check.text, CHECK_LIMIT)}"


def _message(card: Card) -> str:
    words = fit(card.message, MESSAGE_LIMIT) or "…"
    return f"{words}\nuntil {when(card.until)}" if card.until and card.ended_at is None else words
