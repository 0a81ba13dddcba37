"""What Slack must hold after a gale, and what is found when it does not."""

from __future__ import annotations

from canary.sandbox.slack_workspace import PostedMessage
from tests.faults.threads import faults


def message(number: int | str, uid: str = "u1") -> PostedMessage:
    metadata = {"event_type": "canary", "event_payload": {"id": f"{uid}/{number}"}}
    return PostedMessage(channel="C1", ts="1", text="", attachments=(), blocks=(), metadata=metadata)


CARD = message("2026-01-01T00:00:00+00:00")


def test_all_notices_in_order_with_one_repeat_of_each_are_what_slack_must_hold() -> None:
    assert faults([message(1), CARD, message(2), message(2), message(1, "other"), message(3)], "u1", 3) == []


def test_a_gap_a_third_post_and_another_order_are_told() -> None:
    found = faults([CARD, CARD, CARD, message(3), message(1), message(1), message(1)], "u1", 3)
    assert found == [
        "notice 2 of 3 was never posted",
        "u1/2026-01-01T00:00:00+00:00 was posted 3 times",
        "u1/1 was posted 3 times",
        "the notices came in the order [3, 1]",
    ]
