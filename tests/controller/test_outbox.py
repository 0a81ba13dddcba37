"""What waits in the status until people were told: numbered, bounded, of the right rollout, gone with a receipt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from canary.controller.outbox import ROOM, notification, posted, received, rollout_name
from canary.ports import Notification, Receipt
from canary.rollout.model import Letter, Memory, Notice, Outcome, Status, Telling, Thread
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.spec.status import status_from_json, status_to_json
from tests.rollout.builders import a_plan

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
BEGAN = NOW - timedelta(minutes=5)
NAME = "2026-01-01T11:55:00+00:00"
RUNNING = Status(phase=Phase.PROGRESSING, started_at=BEGAN)
RESTING = replace(RUNNING, phase=Phase.SUCCEEDED, memory=Memory(outcome=Outcome.PROMOTED))
NEXT = replace(RUNNING, started_at=NOW)
RAISED = Notice(reason=Reason.WEIGHT_ADVANCED, text="Weight raised", facts={"weight": "20 %"})
LETTER = Letter(number=1, rollout=NAME, at=NOW, reason="WeightAdvanced", text="Weight raised", facts={"weight": "20 %"})
THREAD = Thread(rollout=NAME, channel="C1", ts="1.2", asked="#shop")


def about(notice: Notice, before: Status, after: Status) -> str:
    status, _ = posted(before, after, [notice], NOW)
    return status.telling.letters[-1].rollout


def test_a_notice_waits_with_its_moment_and_the_rollout_that_it_is_about() -> None:
    status, crowded_out = posted(RUNNING, RUNNING, [RAISED, replace(RAISED, slack=False), RAISED], NOW)
    assert status == replace(RUNNING, telling=Telling(last=2, letters=(LETTER, replace(LETTER, number=2))))
    assert crowded_out == ()


def test_what_waits_survives_being_stored() -> None:
    status = replace(RUNNING, telling=Telling(last=3, letters=(LETTER,), thread=THREAD))
    stored = status_to_json(status)
    assert (status_from_json(stored), stored["slack"]) == (status, {"channel": "C1", "ts": "1.2", "waiting": 1})
    assert "slack" not in status_to_json(RUNNING)


@pytest.mark.parametrize(
    ("reason", "before", "after", "name"),
    [
        (Reason.ROLLOUT_STARTED, RESTING, NEXT, rollout_name(NOW)),
        (Reason.SUPERSEDED, RUNNING, NEXT, NAME),
        (Reason.ROLLED_BACK, RUNNING, replace(RUNNING, phase=Phase.ROLLING_BACK), NAME),
        (Reason.REVERTED, RESTING, RESTING, NAME),
        (Reason.PRIMARY_DELETED, RESTING, RESTING, ""),
        (Reason.INITIALIZED, Status(), Status(phase=Phase.INITIALIZED), ""),
    ],
)
def test_an_end_is_about_the_rollout_that_ends_and_what_happens_at_rest_about_none(
    reason: Reason, before: Status, after: Status, name: str
) -> None:
    assert about(Notice(reason=reason, text="x"), before, after) == name


def test_what_waits_is_bounded_in_number_and_size_and_the_oldest_goes_first() -> None:
    long = Notice(reason="Fault", text="x" * 5000, facts={f"f{number}": "v" * 5000 for number in range(30)})
    status, crowded_out = posted(RUNNING, RUNNING, [long] * (ROOM + 2), NOW)
    assert [letter.number for letter in crowded_out] == [1, 2]
    assert [letter.number for letter in status.telling.letters] == list(range(3, ROOM + 3))
    letter = status.telling.letters[0]
    assert (len(letter.text), len(letter.facts), len(letter.facts["f0"])) == (1024, 20, 200)


def test_a_receipt_takes_what_was_told_and_brings_where_the_message_is() -> None:
    status, _ = posted(RUNNING, RUNNING, [RAISED] * 3, NOW)
    after = received(status, Receipt(told=2, thread=THREAD, due=True))
    assert after.telling == Telling(last=3, letters=(replace(LETTER, number=3),), thread=THREAD)


@pytest.mark.parametrize(
    ("reason", "warning", "mentions", "loud"),
    [
        (Reason.ROLLED_BACK, True, True, True),
        (Reason.APEX_CONTESTED, True, True, True),
        (Reason.PROMOTED, False, False, True),
        (Reason.PAUSED, False, False, True),
        (Reason.CHECK_FAILED, True, False, False),
        (Reason.WEIGHT_ADVANCED, False, False, False),
    ],
)
def test_who_is_called_and_what_the_channel_is_shown(reason: str, warning: bool, mentions: bool, loud: bool) -> None:
    plan = replace(a_plan(), slack_channel="#shop", slack_mention="@oncall")
    told = notification(replace(LETTER, reason=reason, warning=warning), plan)
    assert told == Notification(
        namespace=plan.namespace,
        canary=plan.name,
        reason=reason,
        text="Weight raised",
        failure=warning,
        facts={"weight": "20 %"},
        channel="#shop",
        mention="@oncall",
        mentions=mentions,
        loud=loud,
        number=1,
        rollout=NAME,
        at=NOW,
    )
