"""Slack as the controller's `Notifier`: what is to be told is sent beside the loop; nothing ever waits for Slack.

Each canary has a box of its own (slack_box.py). Nothing is remembered over a restart: what waits, and where a
rollout's message is, stands in the status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import structlog

from canary.clients.once import Once
from canary.clients.slack_api import Refused, SlackApi, SlackSettings, WebApi, Webhook
from canary.clients.slack_box import Box
from canary.clients.slack_counted import CountedApi, CountedPost
from canary.clients.slack_desk import Desk
from canary.clients.slack_gate import MESSAGE_APART_S, Gate, GatedPost, Post
from canary.clients.slack_tools import Tools
from canary.errors import ConfigError, Rejected, Unavailable
from canary.ports import Bulletin, Notification, OnRequest, Receipt

_log = structlog.get_logger(__name__)

WRITTEN_WITHIN_S = 10.0
"""A receipt that nothing waits for is written with the next change of the status, or after so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSummary:
    """How the telling stands: messages waiting now, and since the start sent, refused by Slack, and dropped.

    `trouble` is why Slack takes nothing at present, "" when it does.
    """

    waiting: int
    sent: int
    refused: int
    dropped: int
    trouble: str


class _Ledger:
    """Counts, and logs what a person should know, once."""

    def __init__(self) -> None:
        self.counts = {"sent": 0, "refused": 0, "dropped": 0}
        self.trouble = ""
        self._refusals = Once()

    def sent(self, notices: int) -> None:
        self.counts["sent"] += notices

    def reached(self) -> None:
        if self.trouble:
            _log.info("slack_recovered")
        self.trouble = ""

    def in_trouble(self, err: Unavailable) -> None:
        if not self.trouble:
            _log.warning("slack_failed", why=str(err))
        self.trouble = str(err)

    def dropped(self, notice: Notification, why: str) -> None:
        self.counts["dropped"] += 1
        _log.error("slack_message_dropped", why=why, text=notice.text, **_facts(notice))

    def refused(self, notice: Notification, err: Refused, channel: str) -> None:
        self.counts["refused"] += 1
        if self._refusals.is_new((channel, err.code)):
            _log.error("slack_message_refused", why=str(err), channel=channel, **_facts(notice))

    def not_updated(self, err: Refused, channel: str) -> None:
        if self._refusals.is_new((channel, err.code)):
            _log.warning("slack_update_refused", why=str(err), channel=channel)


class Slack:
    """Sends what bulletins say, in order within a canary; sending runs inside `async with`.

    While Slack is down a message is tried again until an hour after it was due, then dropped, which is logged. What
    Slack refuses for good is logged once and not tried again.
    """

    lasting = True

    def __init__(
        self,
        settings: SlackSettings,
        *,
        api: SlackApi | None = None,
        hook: Post | None = None,
        on_request: OnRequest = lambda _: None,
    ) -> None:
        self._ledger = _Ledger()
        self._listener: Callable[[str, str], None] | None = None
        by_token = bool(settings.token)
        self._desk = Desk(CountedApi(api or WebApi(settings), on_request)) if by_token else None
        self._tools = Tools(
            settings=settings,
            desk=self._desk,
            hook=None if by_token else GatedPost(CountedPost(hook or Webhook(settings), on_request), _webhook_gate()),
            ledger=self._ledger,
            wake=self._wake,
        )
        self._boxes: dict[tuple[str, str], Box] = {}
        self._tasks: dict[Box, asyncio.Task[None]] = {}
        self._timers: dict[Box, asyncio.TimerHandle | None] = {}  # None once it went off
        self._hurry = False
        self._moved = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop sending. What waits stands in the status, for the next controller."""
        for box in list(self._timers):
            self._stop_waiting(box)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if waiting := self.summary.waiting:
            _log.info("slack_messages_left", waiting=waiting)

    def tell(self, bulletin: Bulletin) -> None:
        key = (bulletin.namespace, bulletin.canary)
        box = self._boxes.get(key)
        if box is not None and box.bulletin.uid != bulletin.uid:
            self.forget(*key)
            box = None
        if box is None:
            if not bulletin.notices and bulletin.thread is None:
                return
            box = self._boxes[key] = Box(self._tools, bulletin)
        box.take(bulletin)
        if not box.unwritten:
            self._stop_waiting(box)
        self._start(box)

    def gave_up(self, notices: Sequence[Notification], why: str) -> None:
        for notice in notices:
            box = self._boxes.get((notice.namespace, notice.canary))
            if box is None or notice.number == 0 or not box.has(notice.number):
                self._ledger.dropped(notice, why)

    def receipt(self, namespace: str, canary: str) -> Receipt | None:
        box = self._boxes.get((namespace, canary))
        return None if box is None else box.receipt(self._hurry or (box.unwritten and self._is_due(box)))

    def forget(self, namespace: str, canary: str) -> None:
        box = self._boxes.pop((namespace, canary), None)
        if box is not None:
            box.leave()
            self._stop_waiting(box)
            self._start(box)

    def listen(self, wake: Callable[[str, str], None]) -> None:
        self._listener = wake

    async def idle(self) -> None:
        self._hurry = True
        for (namespace, canary), box in self._boxes.items():
            if box.unwritten:
                self._wake(namespace, canary)
        while self._tasks or any(box.busy for box in self._boxes.values()):
            self._moved.clear()
            await self._moved.wait()

    async def check(self) -> None:
        """Return if Slack knows us; raises `ConfigError` when the credentials are wrong, else `Unavailable`."""
        if self._desk is None:
            return  # a webhook cannot be asked anything without sending
        try:
            await self._desk.check()
        except Rejected as err:
            raise ConfigError(str(err)) from err

    @property
    def summary(self) -> SlackSummary:
        """How the telling stands."""
        waiting = sum(len(box.waiting) for box in self._boxes.values())
        return SlackSummary(waiting=waiting, trouble=self._ledger.trouble, **self._ledger.counts)

    def _start(self, box: Box) -> None:
        self._moved.set()
        if box not in self._tasks:
            name = f"slack {box.bulletin.namespace}/{box.bulletin.canary}"
            self._tasks[box] = asyncio.create_task(self._run(box), name=name)

    async def _run(self, box: Box) -> None:
        try:
            await box.run()
        except Exception as err:  # noqa: BLE001 - a fault in telling about one canary silences no other
            _log.error("slack_broke", error=type(err).__name__, exc_info=err)
        finally:
            del self._tasks[box]
            self._moved.set()
        if box.unwritten and (self._hurry or box not in self._timers):
            delay = 0.0 if self._hurry or box.trouble else WRITTEN_WITHIN_S
            self._stop_waiting(box)
            self._timers[box] = asyncio.get_running_loop().call_later(delay, self._went_off, box)

    def _went_off(self, box: Box) -> None:
        self._timers[box] = None
        self._wake(box.bulletin.namespace, box.bulletin.canary)

    def _stop_waiting(self, box: Box) -> None:
        timer = self._timers.pop(box, None)
        if timer is not None:
            timer.cancel()

    def _is_due(self, box: Box) -> bool:
        return box.trouble != "" or (box in self._timers and self._timers[box] is None)

    def _wake(self, namespace: str, canary: str) -> None:
        if self._listener is not None:
            self._listener(namespace, canary)


class LogNotifier:
    """The `Notifier` for when no Slack is configured: each notice is a line in the log."""

    lasting = False

    def tell(self, bulletin: Bulletin) -> None:
        for notice in bulletin.notices:
            log = _log.warning if notice.failure else _log.info
            log("people_told", text=notice.text, facts=dict(notice.facts), **_facts(notice))

    def gave_up(self, notices: Sequence[Notification], why: str) -> None:
        """Nothing waits."""

    def receipt(self, namespace: str, canary: str) -> Receipt | None:
        """Nothing waits."""

    def forget(self, namespace: str, canary: str) -> None:
        """Nothing waits."""

    def listen(self, wake: Callable[[str, str], None]) -> None:
        """Nothing needs to be written."""

    async def idle(self) -> None:
        """Nothing waits."""


def _webhook_gate() -> Gate:
    return Gate(apart_s=MESSAGE_APART_S)


def _facts(notice: Notification) -> dict[str, str]:
    return {"namespace": notice.namespace, "canary": notice.canary, "reason": notice.reason}
