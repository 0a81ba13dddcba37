"""What is told in Slack about one canary: one message a rollout, kept up to date, and its transitions in the thread.

Nothing is posted while the status does not yet know of the post before it: whatever moment a crash hits, at most the
newest post is in doubt, and what is in doubt is looked for in Slack before it is posted again. Updates need no such
care, a repeated one changes nothing; one that waits is replaced by a newer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from canary.clients.retry import Patience, retrying
from canary.clients.slack_api import Refused, SlackSettings
from canary.clients.slack_card import render_card
from canary.clients.slack_desk import Desk, Posted
from canary.clients.slack_message import render
from canary.errors import Unavailable
from canary.ports import Bulletin, Notification, Receipt
from canary.rollout.model import Thread

OLDEST = timedelta(hours=1)
UPDATE_EVERY_S = 1.1
LONGEST_PAUSE_S = 60.0
SHOWN_FOR = timedelta(minutes=10)
"""For so long after its end a rollout's message is brought up to date by a controller that starts anew."""

GONE = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message"})
"""The rollout's message was deleted: it is posted anew."""


class Post(Protocol):
    """How a message goes out where there are no threads: an incoming webhook."""

    async def post(self, body: Mapping[str, Any]) -> None:
        """As `Webhook` does."""


class Ledger(Protocol):
    """Who is told how each message fared."""

    def sent(self) -> None:
        """One notice is told."""

    def reached(self) -> None:
        """Slack took something."""

    def in_trouble(self, err: Unavailable) -> None:
        """Slack took nothing; it is tried again."""

    def dropped(self, notice: Notification, why: str) -> None:
        """One notice was given up."""

    def refused(self, notice: Notification, err: Refused, channel: str) -> None:
        """Slack will not take one notice."""

    def not_updated(self, err: Refused, channel: str) -> None:
        """Slack will not have a rollout's message changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What all boxes share. Exactly one of `desk` and `hook` is set; `wake` asks for a receipt to be written."""

    settings: SlackSettings
    desk: Desk | None
    hook: Post | None
    ledger: Ledger
    wake: Callable[[str, str], None]


class Box:
    """Tells what the newest bulletin says. `run` ends when there is nothing to do until the next bulletin."""

    def __init__(self, tools: Tools, first: Bulletin) -> None:
        self._tools = tools
        self.bulletin = first
        self.told = 0
        self.thread = first.thread
        self.gone = False
        self.trouble = ""
        self._sure_from = first.sure_from
        self._doubtful: set[int] = set()
        self._opened_again: set[int] = set()
        self._shown: tuple[str, dict[str, Any]] | None = None
        self._next_update = 0.0
        self._pause_s = UPDATE_EVERY_S
        self._came_at = asyncio.get_running_loop().time()
        self._changed = asyncio.Event()
        self._assume_old_card_is_shown()

    def take(self, bulletin: Bulletin) -> None:
        """Work with a newer bulletin from now on."""
        self.bulletin = bulletin
        self._came_at = asyncio.get_running_loop().time()
        self._changed.set()

    def leave(self) -> None:
        """Tell what waits without a status to write it to: the Canary is gone."""
        self.gone = True
        self._changed.set()

    @property
    def waiting(self) -> list[Notification]:
        """What is still to be told, oldest first."""
        return [notice for notice in self.bulletin.notices if notice.number > self.told]

    @property
    def unwritten(self) -> bool:
        """True while the status does not have what became of the telling."""
        behind = any(notice.number <= self.told for notice in self.bulletin.notices)
        return not self.gone and (behind or self.thread != self.bulletin.thread)

    @property
    def busy(self) -> bool:
        """True while there is something to send or to have written."""
        return bool(self.waiting) or self.unwritten or self._outdated() is not None

    def receipt(self, due: bool) -> Receipt:
        """Return what became of the telling; it is due too when the next notice waits for its being written."""
        return Receipt(told=self.told, thread=self.thread, due=due or bool(self.waiting), trouble=self.trouble)

    async def run(self) -> None:
        """Send what can be sent now."""
        while True:
            self._changed.clear()
            waiting = self.waiting
            if waiting and self.unwritten:
                self._tools.wake(self.bulletin.namespace, self.bulletin.canary)
                await self._changed.wait()
            elif waiting:
                await self._tell(waiting[0])
            elif self._outdated() is not None:
                await self._refresh()
            else:
                return

    async def _tell(self, notice: Notification) -> None:
        """Tell one notice, or give it up. Whatever happens, the next one gets its turn."""
        since = timedelta(seconds=asyncio.get_running_loop().time() - self._came_at)
        age = (self.bulletin.now - notice.at if notice.at else timedelta(0)) + since
        patience = Patience(tries=None, within=OLDEST - age, first=1.0, longest=LONGEST_PAUSE_S)
        ledger = self._tools.ledger
        try:
            if age >= OLDEST:
                raise Unavailable("it waited for over an hour")
            if not await retrying(lambda: self._attempt(notice), patience, failed=ledger.in_trouble):
                ledger.reached()
                return
            self.trouble = ""
            ledger.reached()
            ledger.sent()
        except Unavailable as err:
            ledger.in_trouble(err)
            ledger.dropped(notice, "Slack took nothing for an hour")
        except Refused as err:
            self.trouble = str(err)
            ledger.refused(notice, err, self._channel(notice))
        except Exception as err:  # noqa: BLE001 - one message that breaks must not silence those after it
            ledger.dropped(notice, f"sending it broke ({type(err).__name__})")
        self.told = notice.number
        self._doubtful.discard(notice.number)
        self._opened_again.discard(notice.number)

    async def _attempt(self, notice: Notification) -> bool:
        """Take the next step towards telling; return whether the notice is told. A new message is a step of its own."""
        doubtful = notice.number < self._sure_from or notice.number in self._doubtful
        try:
            if self._tools.hook is not None:
                await self._tools.hook.post(render(notice, mention=self._tools.settings.mention).body())
                return True
            self._check_channel(notice)
            if notice.rollout not in self.bulletin.cards:
                await self._post(notice, None, doubtful)
                return True
            if self.thread is None or self.thread.rollout != notice.rollout:
                await self._open(notice, doubtful)
                return False
            if notice.loud:
                await self._update()
            await self._post(notice, self.thread, doubtful)
        except Unavailable as err:
            if err.outcome_unknown:
                self._doubtful.add(notice.number)
            raise
        except Refused as err:
            if self.thread is None or err.code not in GONE or notice.number in self._opened_again:
                raise
            self._opened_again.add(notice.number)
            self.thread = None
            return False
        return True

    def _check_channel(self, notice: Notification) -> None:
        if not self._channel(notice):
            where = "set --slack-channel, or canary.delivery/slack-channel on the Deployment"
            raise Refused(f"no channel is named for the message: {where}", "no_channel")

    async def _open(self, notice: Notification, doubtful: bool) -> None:
        """Post the message of the notice's rollout, or find it."""
        assert self._tools.desk is not None
        channel, mark = self._channel(notice), f"{self.bulletin.uid}/{notice.rollout}"
        body = render_card(self.bulletin.cards[notice.rollout])
        since = notice.at or self.bulletin.now
        found = await self._tools.desk.find(mark, channel=channel, thread=None, since=since) if doubtful else None
        at = found or await self._tools.desk.post(body, channel=channel, mark=mark)
        self.thread = Thread(rollout=notice.rollout, channel=at.channel, ts=at.ts, asked=channel)
        self._shown = None if found else (notice.rollout, body)
        self._next_update = asyncio.get_running_loop().time() + UPDATE_EVERY_S

    async def _post(self, notice: Notification, thread: Thread | None, doubtful: bool) -> None:
        assert self._tools.desk is not None
        mark = f"{self.bulletin.uid}/{notice.number}"
        at = Posted(channel=thread.channel, ts=thread.ts) if thread else None
        channel = at.channel if at else self._channel(notice)
        since = notice.at or self.bulletin.now
        if doubtful and await self._tools.desk.find(mark, channel=channel, thread=at, since=since) is not None:
            return
        body = render(notice, mention=self._tools.settings.mention).body()
        more = {"thread_ts": at.ts, "reply_broadcast": notice.loud} if at else {}
        await self._tools.desk.post(body, channel=channel, mark=mark, **more)

    def _outdated(self) -> dict[str, Any] | None:
        """Return the body that the rollout's message is to have when it has another, else None."""
        card = self.bulletin.cards.get(self.thread.rollout) if self.thread else None
        if card is None or self.thread is None or self._tools.desk is None or self.gone:
            return None
        body = render_card(card)
        return body if self._shown != (self.thread.rollout, body) else None

    async def _refresh(self) -> None:
        """Update the rollout's message once it may be, unless something else comes first."""
        wait = self._next_update - asyncio.get_running_loop().time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(wait, 0.0)):
                if wait > 0:
                    await self._changed.wait()
                    return
        try:
            await self._update()
            self._tools.ledger.reached()
        except Unavailable as err:
            self._tools.ledger.in_trouble(err)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self._next_update = asyncio.get_running_loop().time() + max(self._pause_s, err.retry_after or 0.0)

    async def _update(self) -> None:
        body = self._outdated()
        if body is None or self.thread is None or self._tools.desk is None:
            return
        thread = self.thread
        wait = self._next_update - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
        mark = f"{self.bulletin.uid}/{thread.rollout}"
        try:
            await self._tools.desk.update(body, at=Posted(channel=thread.channel, ts=thread.ts), mark=mark)
        except Refused as err:
            if err.code in GONE:
                self.thread = None
            else:
                self._tools.ledger.not_updated(err, thread.channel)
        self._shown = (thread.rollout, body)
        self._pause_s = UPDATE_EVERY_S
        self._next_update = asyncio.get_running_loop().time() + UPDATE_EVERY_S

    def _channel(self, notice: Notification) -> str:
        return notice.channel or self._tools.settings.channel

    def _assume_old_card_is_shown(self) -> None:
        card = self.bulletin.cards.get(self.thread.rollout) if self.thread else None
        if self.thread and card and card.ended_at and self.bulletin.now - card.ended_at > SHOWN_FOR:
            self._shown = (self.thread.rollout, render_card(card))
