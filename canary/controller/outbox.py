"""The notices that wait in the status until people were told, and what of them is handed to the Notifier.

Pure. A notice enters the status with the write that says what happened, and leaves it with a receipt: a crash anywhere
between loses none. Not its job: sending (canary.clients.slack).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from canary.controller.card import card_of, card_of_past
from canary.ports import Bulletin, Card, Notification, Receipt
from canary.rollout.model import Letter, Notice, Plan, Status
from canary.rollout.phases import Phase
from canary.rollout.reasons import Reason
from canary.rollout.situation import Pass
from canary.rollout.values import replace

ROOM = 30
"""The most notices that wait in one status."""

LONGEST = 1024
LONGEST_FACT = 200
MOST_FACTS = 20

ENDS = frozenset({Reason.PROMOTED, Reason.ROLLED_BACK, Reason.REVERTED, Reason.SUPERSEDED})
"""They are about the rollout that they end, and are for everybody in the channel."""

QUIET = frozenset(
    {Reason.CHECK_FAILED, Reason.COMMAND_REFUSED, Reason.NO_DATA, Reason.ROLLOUT_RESTARTED, Reason.WEIGHT_LOWERED}
)
"""Warnings that need nobody yet: the rollout deals with them, or whoever commanded reads them."""


def rollout_name(started_at: datetime | None) -> str:
    """Return what tells one rollout of a Canary from its others, "" before the first."""
    return "" if started_at is None else started_at.isoformat()


def posted(
    before: Status, after: Status, notices: Iterable[Notice], now: datetime
) -> tuple[Status, tuple[Letter, ...]]:
    """Return `after` with those notices that are for people waiting, and the oldest that no longer find room."""
    telling = after.telling
    for notice in notices:
        if not notice.slack:
            continue
        letter = replace(letter_of(notice, before, after, now), number=telling.last + 1)
        telling = replace(telling, last=letter.number, letters=(*telling.letters, letter))
    kept = telling.letters[-ROOM:]
    return replace(after, telling=replace(telling, letters=kept)), telling.letters[: len(telling.letters) - len(kept)]


def letter_of(notice: Notice, before: Status, after: Status, now: datetime) -> Letter:
    """Return a notice in the size in which it waits, with the number 0: it gets one with its place."""
    return Letter(
        number=0,
        rollout=_rollout_of(notice, before, after),
        at=now,
        reason=notice.reason,
        text=notice.text[:LONGEST],
        warning=notice.warning,
        milestone=notice.milestone,
        facts={name: value[:LONGEST_FACT] for name, value in list(notice.facts.items())[:MOST_FACTS]},
    )


def _rollout_of(notice: Notice, before: Status, after: Status) -> str:
    if notice.reason in ENDS:
        runs = before.started_at is not None and before.memory.outcome is None
        return rollout_name(before.started_at if runs else after.started_at)
    if after.phase is None or after.phase is Phase.INITIALIZING or after.phase.at_rest:
        return ""
    return rollout_name(after.started_at)


def received(status: Status, receipt: Receipt) -> Status:
    """Return the status without what was told, and with where the rollout's message is."""
    waiting = tuple(letter for letter in status.telling.letters if letter.number > receipt.told)
    return replace(status, telling=replace(status.telling, letters=waiting, thread=receipt.thread))


def bulletin(it: Pass, uid: str, sure_from: int) -> Bulletin:
    """Return what the status has to tell; `sure_from` is the number of the first letter that this pass made."""
    telling = it.status.telling
    names = {letter.rollout for letter in telling.letters} | ({telling.thread.rollout} if telling.thread else set())
    cards = {name: card for name in sorted(names) if name and (card := _card(it, name)) is not None}
    return Bulletin(
        namespace=it.plan.namespace,
        canary=it.plan.name,
        uid=uid,
        now=it.now,
        notices=tuple(notification(letter, it.plan) for letter in telling.letters),
        sure_from=sure_from,
        cards=cards,
        thread=telling.thread,
    )


def _card(it: Pass, name: str) -> Card | None:
    if name == rollout_name(it.status.started_at):
        return card_of(it)
    past = next((one for one in it.status.history if rollout_name(one.started_at) == name), None)
    return None if past is None else card_of_past(it.plan, past)


def notification(letter: Letter, plan: Plan) -> Notification:
    """Return the message to people that a notice is."""
    calls = letter.warning and letter.reason not in QUIET
    return Notification(
        namespace=plan.namespace,
        canary=plan.name,
        reason=letter.reason,
        text=letter.text,
        failure=letter.warning,
        facts=letter.facts,
        channel=plan.slack_channel,
        mention=plan.slack_mention,
        mentions=calls,
        loud=calls or letter.reason in ENDS or letter.reason == Reason.PAUSED,
        number=letter.number,
        rollout=letter.rollout,
        at=letter.at,
    )
