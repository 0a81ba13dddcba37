"""What people read in Slack after a gale: every message of a canary, in order, and none more than twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from canary.sandbox.slack_workspace import PostedMessage


def faults(messages: Sequence[PostedMessage], uid: str, last: int) -> list[str]:
    """Say what is wrong with the messages of a Canary whose newest notice has the number `last`."""
    marks = [mark for each in messages if (mark := _mark(each)).partition("/")[0] == uid]
    told = [int(number) for mark in dict.fromkeys(marks) if (number := mark.partition("/")[2]).isdigit()]
    return [
        *(f"notice {each} of {last} was never posted" for each in range(1, last + 1) if each not in told),
        *(f"{mark} was posted {count} times" for mark, count in Counter(marks).items() if count > 2),
        *([f"the notices came in the order {told}"] if told != sorted(told) else []),
    ]


def _mark(message: PostedMessage) -> str:
    """The Canary's uid and, after a slash, the notice's number, or when the rollout began of a rollout's own."""
    return str(message.metadata.get("event_payload", {}).get("id", ""))
