"""What is told in Slack about one canary: one message a rollout, kept up to date, and its transitions in the thread.

Nothing is posted while the status does not yet know of the post before it: whatever moment a crash hits, at most the
newest post is in doubt, and what is in doubt is looked for in Slack before it is posted again. Updates need no such
care, a repeated one changes nothing; one that waits is replaced by a newer. What comes faster than Slack takes it is
told together: a message then tells all that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import takewhile
from typing import Any

from canary.clients.retry import Patience, retrying
from canary.clients.slack_api import Refused
from canary.clients.slack_card import render_card
from canary.clients.slack_card_keeper import GONE, LONGEST_PAUSE_S, CardKeeper
from canary.clients.slack_desk import Desk, Mark, Posted
from canary.clients.slack_message import render, render_together
from canary.clients.slack_tools import Tools
from canary.errors import Unavailable
from canary.ports import Bulletin, Notification, Receipt
from canary.rollout.model import Thread

OLDEST = timedelta(hours=1)
MANY = 8
"""When more than so many wait, one message tells them all."""


class Box:
    """Tells what the newest bulletin says. `run` ends when there is nothing to do until the next bulletin."""

    def __init__(self, tools: Tools, first: Bulletin) -> None:
        self._tools = tools
        self._card = CardKeeper(tools, first)
        self.bulletin = first
        self.told = 0
        self.gone = False
        self.trouble = ""
        self._doubtful = {notice.number for notice in first.notices[:1] if notice.number < first.sure_from}
        self._under_way: Sequence[Notification] = ()
        self._opened_again: set[int] = set()
        self._came_at = asyncio.get_running_loop().time()
        self._changed = asyncio.Event()

    def take(self, bulletin: Bulletin) -> None:
        """Work with a newer bulletin from now on."""
        self.bulletin = self._card.bulletin = bulletin
        self._came_at = asyncio.get_running_loop().time()
        self._changed.set()

    def leave(self) -> None:
        """Tell what waits without a status to write it to: the Canary is gone."""
        self.gone = self._card.gone = True
        self._changed.set()

    @property
    def thread(self) -> Thread | None:
        """Where the newest rollout's message is, None while there is none."""
        return self._card.thread

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
        return bool(self.waiting) or self.unwritten or self._card.outdated() is not None

    def receipt(self, due: bool) -> Receipt:
        """Return what became of the telling; it is due too when the next notice waits for its being written."""
        return Receipt(told=self.told, thread=self.thread, due=due or bool(self.waiting), trouble=self.trouble)

    def has(self, number: int) -> bool:
        """Return whether a notice was told, or is just being told."""
        return number <= self.told or any(notice.number == number for notice in self._under_way)

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
            elif self._card.outdated() is not None:
                await self._unless_more_comes(self._card.refresh())
            else:
                return

    async def _tell(self, notice: Notification) -> None:
        """Tell one notice, and all with it when many wait, or give it up. Whatever happens, the next gets its turn."""
        now = asyncio.get_running_loop().time()
        age = (self.bulletin.now - notice.at if notice.at else timedelta(0)) + timedelta(seconds=now - self._came_at)
        patience = Patience(tries=None, within=OLDEST - age, first=1.0, longest=LONGEST_PAUSE_S)
        ledger = self._tools.ledger
        told = notice.number
        try:
            if age >= OLDEST:
                raise Unavailable("it waited for over an hour")
            async with asyncio.timeout((OLDEST - age).total_seconds()):  # a gate may be closed for longer
                last = await retrying(lambda: self._attempt(notice), patience, failed=ledger.in_trouble)
            ledger.reached()
            if last is None:
                return
            self.trouble = ""
            numbers = {one.number for one in (*self._under_way, *self.waiting)}
            ledger.sent(sum(notice.number <= number <= last for number in numbers))
            told = last
        except (Unavailable, TimeoutError) as err:
            ledger.in_trouble(err if isinstance(err, Unavailable) else Unavailable("Slack asked to wait for too long"))
            if isinstance(err, TimeoutError) or notice.number in self._doubtful:
                self._doubtful.add(notice.number + 1)  # its rollout's card may be there
            ledger.dropped(notice, "Slack took nothing for an hour")
        except Refused as err:
            self.trouble = str(err)
            ledger.refused(notice, err, self._channel(notice))
        except Exception as err:  # noqa: BLE001 - one message that breaks must not silence those after it
            ledger.dropped(notice, f"sending it broke ({type(err).__name__})")
        finally:
            self._under_way = ()
        self.told = told
        self._doubtful = {number for number in self._doubtful if number > told}
        self._opened_again = {number for number in self._opened_again if number > told}

    async def _attempt(self, notice: Notification) -> int | None:
        """Take the next step towards telling; return up to which number is told. A new card is a step of its own."""
        self._under_way = (notice,)
        try:
            return await self._step(notice)
        except Unavailable as err:
            if err.outcome_unknown:
                self._doubtful.add(notice.number)
            raise
        except Refused as err:
            if self.thread is None or err.code not in GONE or notice.number in self._opened_again:
                raise
            self._opened_again.add(notice.number)
            self._card.thread = None
            return None

    async def _step(self, notice: Notification) -> int | None:
        desk = self._tools.desk
        if desk is None:
            assert self._tools.hook is not None
            await self._tools.hook.post_newest(lambda: self._body(self._batch(notice, "")))
            return self._under_way[-1].number
        self._check_channel(notice)
        if self._goes_to_the_channel(notice):
            return await self._post(desk, notice, None)
        if self._card_of(notice) is None:
            await self._card.update(urgent=True)  # the last that is seen of the card before
            await self._open(desk, notice)
            return None
        if any(one.loud for one in self._batch(notice, notice.rollout)):
            await self._card.update(urgent=True)
        return await self._post(desk, notice, self._card_of(notice))

    def _goes_to_the_channel(self, notice: Notification) -> bool:
        """Return whether a notice has no card to answer to, or is told with so many that there is none for all.

        While it is not known whether its rollout's card is there, that is found out first.
        """
        if notice.rollout not in self.bulletin.cards:
            return True
        if self._card_of(notice) is None and notice.number in self._doubtful:
            return False
        return any(one.rollout != notice.rollout for one in self._batch(notice, ""))

    def _batch(self, notice: Notification, rollout: str) -> Sequence[Notification]:
        """Return what one message tells: a notice, and when many wait all after it, of one rollout if one is named.

        As of now: it is asked for again when the turn has come.
        """
        after = [one for one in self.waiting if one.number > notice.number]
        if len(after) < MANY:
            after = []
        return (notice, *takewhile(lambda one: rollout in ("", one.rollout), after))

    def _card_of(self, notice: Notification) -> Posted | None:
        """Return where the message of a notice's rollout is, None while it is not known."""
        if self.thread is None or self.thread.rollout != notice.rollout:
            return None
        return Posted(channel=self.thread.channel, ts=self.thread.ts)

    def _check_channel(self, notice: Notification) -> None:
        if not self._channel(notice):
            where = "set --slack-channel, or canary.delivery/slack-channel on the Deployment"
            raise Refused(f"no channel is named for the message: {where}", "no_channel")

    async def _open(self, desk: Desk, notice: Notification) -> None:
        """Post the message of the notice's rollout, or find it."""
        channel, mark = self._channel(notice), Mark(of=self.bulletin.uid, name=notice.rollout)
        card = self.bulletin.cards[notice.rollout]
        body: dict[str, Any] = {}

        def newest() -> tuple[dict[str, Any], Mark]:
            nonlocal body
            body = render_card(self.bulletin.cards.get(notice.rollout, card))
            return body, mark

        since = notice.at or self.bulletin.now
        doubtful = notice.number in self._doubtful
        found = await desk.find(mark, channel=channel, thread=None, since=since) if doubtful else None
        at = found.at if found else await desk.post_newest(newest, channel=channel)
        thread = Thread(rollout=notice.rollout, channel=at.channel, ts=at.ts, asked=channel)
        self._card.opened(thread, None if found else body)

    async def _post(self, desk: Desk, notice: Notification, thread: Posted | None) -> int:
        """Post a notice, with all that is told along, unless it is in doubt and found; return the last one's number."""
        channel = thread.channel if thread else self._channel(notice)
        mark = Mark(of=self.bulletin.uid, name=str(notice.number))
        if notice.number in self._doubtful:
            for place in self._places(notice, thread):
                since = notice.at or self.bulletin.now
                found = await desk.find(mark, channel=channel, thread=place, since=since)
                if found is not None:
                    return found.last

        def newest() -> tuple[dict[str, Any], Mark]:
            batch = self._batch(notice, notice.rollout if thread else "")
            loud = any(one.loud for one in batch)
            more = {"thread_ts": thread.ts, "reply_broadcast": loud} if thread else {}
            return {**self._body(batch), **more}, replace(mark, last=batch[-1].number if len(batch) > 1 else 0)

        await desk.post_newest(newest, channel=channel)
        return self._under_way[-1].number

    def _places(self, notice: Notification, thread: Posted | None) -> Sequence[Posted | None]:
        """Return where what is in doubt may be: in its thread, in the channel (None).

        Where many wait, whether they were of one rollout when this was tried before is not known.
        """
        card = thread or self._card_of(notice)
        in_channel = thread is None or len(self._batch(notice, "")) > 1
        return [*([card] if card else []), *([None] if in_channel else [])]

    def _body(self, batch: Sequence[Notification]) -> dict[str, Any]:
        """Return the message that tells these; from now on they are under way."""
        self._under_way = batch
        mention = self._tools.settings.mention
        message = render(batch[0], mention=mention) if len(batch) == 1 else render_together(batch, mention=mention)
        return message.body()

    async def _unless_more_comes(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work to its end, or give it up while it waits for its turn as soon as there is something to tell."""
        doing = asyncio.create_task(work)
        try:
            while not doing.done() and not (self.waiting and not self._card.under_way):
                await self._first_of(doing)
                self._changed.clear()
        finally:
            doing.cancel()
            await asyncio.wait({doing})
        if not doing.cancelled():
            doing.result()

    async def _first_of(self, doing: asyncio.Task[None]) -> None:
        coming = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait({doing, coming}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            coming.cancel()

    def _channel(self, notice: Notification) -> str:
        return notice.channel or self._tools.settings.channel
