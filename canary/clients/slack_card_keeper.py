"""The one message of a canary's newest rollout: where it is, what it shows, and bringing it up to date."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from canary.clients.slack_api import Refused
from canary.clients.slack_card import render_card
from canary.clients.slack_desk import Mark, Posted
from canary.clients.slack_tools import Tools
from canary.errors import Unavailable
from canary.ports import Bulletin
from canary.rollout.model import Thread

UPDATE_EVERY_S = 1.1
LONGEST_PAUSE_S = 60.0
SHOWN_FOR = timedelta(minutes=10)
"""For so long after its end a rollout's message is brought up to date by a controller that starts anew."""

GONE = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message"})
"""The rollout's message was deleted: it is posted anew."""


class CardKeeper:
    """Keeps `thread`, where the message is; `bulletin` is what it is to show, and with `gone` it stays as it is.

    `under_way` is true while an update is at Slack, not while it waits for its turn.
    """

    def __init__(self, tools: Tools, first: Bulletin) -> None:
        self._tools = tools
        self.bulletin = first
        self.thread = first.thread
        self.gone = False
        self.under_way = False
        self._shown: tuple[str, dict[str, Any]] | None = None
        self._next_update = 0.0
        self._pause_s = UPDATE_EVERY_S
        self._assume_old_card_is_shown()

    def opened(self, thread: Thread, body: dict[str, Any] | None) -> None:
        """Take it that the message is there and shows `body`, None when that is not known."""
        self.thread = thread
        self._shown = None if body is None else (thread.rollout, body)
        self._next_update = asyncio.get_running_loop().time() + UPDATE_EVERY_S

    def outdated(self) -> dict[str, Any] | None:
        """Return the body that the message is to have when it has another, else None."""
        card = self.bulletin.cards.get(self.thread.rollout) if self.thread else None
        if card is None or self.thread is None or self._tools.desk is None or self.gone:
            return None
        body = render_card(card)
        return body if self._shown != (self.thread.rollout, body) else None

    async def refresh(self) -> None:
        """Bring the message up to date when it is this one's turn; those that something waits for come before."""
        try:
            await self.update(urgent=False)
            self._tools.ledger.reached()
        except Unavailable as err:
            self._tools.ledger.in_trouble(err)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self._next_update = asyncio.get_running_loop().time() + max(self._pause_s, err.retry_after or 0.0)

    async def update(self, *, urgent: bool) -> None:
        """Bring the message up to date, with what is so when its turn comes. Raises `Unavailable`."""
        thread, body = self.thread, self.outdated()
        if body is None or thread is None or self._tools.desk is None:
            return

        def newest() -> dict[str, Any]:
            nonlocal body
            self.under_way = True
            body = self.outdated() or body
            return body or {}

        wait = self._next_update - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
        mark = Mark(of=self.bulletin.uid, name=thread.rollout)
        at = Posted(channel=thread.channel, ts=thread.ts)
        try:
            await self._tools.desk.update(newest, at=at, mark=mark, urgent=urgent)
        except Refused as err:
            if err.code in GONE:
                self.thread = None
            else:
                self._tools.ledger.not_updated(err, thread.channel)
        finally:
            self.under_way = False
        self._shown = (thread.rollout, body)
        self._pause_s = UPDATE_EVERY_S
        self._next_update = asyncio.get_running_loop().time() + UPDATE_EVERY_S

    def _assume_old_card_is_shown(self) -> None:
        card = self.bulletin.cards.get(self.thread.rollout) if self.thread else None
        if self.thread and card and card.ended_at and self.bulletin.now - card.ended_at > SHOWN_FOR:
            self._shown = (self.thread.rollout, render_card(card))
