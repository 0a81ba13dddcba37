"""Slack as the controller's `Notifier`: messages are queued and sent beside the loop; nothing ever waits for Slack.

What a message looks like is `slack_message.py`, one exchange with Slack is `slack_api.py`. Nothing is remembered over a
restart: that a message is due is the business of the status.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import structlog

from canary.clients.retry import Patience, retrying
from canary.clients.slack_api import Sender, SlackSettings, sender
from canary.clients.slack_message import render
from canary.errors import ConfigError, Rejected, Unavailable
from canary.ports import Notification

_log = structlog.get_logger(__name__)

ROOM = 1000
OLDEST = timedelta(hours=1)
FLUSH = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSummary:
    """How the queue stands: messages waiting now, and since the start sent, refused by Slack, and dropped.

    `trouble` is why Slack takes nothing at present, "" when it does.
    """

    waiting: int
    sent: int
    refused: int
    dropped: int
    trouble: str


@dataclass(slots=True)
class _Counts:
    sent: int = 0
    refused: int = 0
    dropped: int = 0


class Slack:
    """Sends notices one after the other, in the order in which they came; sending runs inside `async with`.

    While Slack is down a message is tried again for an hour from when it came, then dropped; over `ROOM` waiting, the
    oldest is dropped. Each drop is logged. What Slack refuses for good is logged and not tried again.
    """

    def __init__(self, settings: SlackSettings, *, send_with: Sender | None = None, flush: timedelta = FLUSH) -> None:
        self._settings = settings
        self._sender = send_with or sender(settings)
        self._flush = flush
        self._queue: deque[tuple[float, Notification]] = deque()
        self._sending = False
        self._counts = _Counts()
        self._trouble = ""
        self._came = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._drain(), name="slack")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Send what waits, for at most the flush time; then stop. What is left is lost, and that is logged."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._flush.total_seconds()):
                await self._idle.wait()
        task, self._task = self._task, None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for _, notice in self._queue:
            self._drop(notice, "the controller stopped")
        self._queue.clear()

    def tell(self, notice: Notification) -> None:
        if len(self._queue) >= ROOM:
            self._drop(self._queue.popleft()[1], f"over {ROOM} messages wait")
        self._queue.append((asyncio.get_running_loop().time(), notice))
        self._idle.clear()
        self._came.set()

    async def check(self) -> None:
        """Return if Slack knows us; raises `ConfigError` when the credentials are wrong, else `Unavailable`."""
        try:
            await self._sender.check()
        except Rejected as err:
            raise ConfigError(str(err)) from err

    @property
    def summary(self) -> SlackSummary:
        """How the queue stands."""
        counts = self._counts
        return SlackSummary(
            waiting=len(self._queue) + self._sending,
            sent=counts.sent,
            refused=counts.refused,
            dropped=counts.dropped,
            trouble=self._trouble,
        )

    async def _drain(self) -> None:
        while True:
            await self._came.wait()
            while self._queue:
                came, notice = self._queue.popleft()
                self._sending = True
                try:
                    await self._deliver(came, notice)
                except asyncio.CancelledError:
                    self._queue.appendleft((came, notice))
                    raise
                finally:
                    self._sending = False
            self._came.clear()
            self._idle.set()

    async def _deliver(self, came: float, notice: Notification) -> None:
        """Send one message or give it up. Whatever it does, the next one gets its turn."""
        age = timedelta(seconds=asyncio.get_running_loop().time() - came)
        channel = notice.channel or self._settings.channel
        message = render(notice, mention=self._settings.mention)
        patience = Patience(tries=None, within=OLDEST - age, first=1.0, longest=60.0)
        try:
            if age >= OLDEST:
                raise Unavailable(self._trouble)
            await retrying(lambda: self._sender.send(channel, message), patience, failed=self._in_trouble)
        except Unavailable as err:
            self._in_trouble(err)
            self._drop(notice, "Slack took nothing for an hour")
        except Rejected as err:
            self._counts.refused += 1
            _log.error("slack_message_refused", why=str(err), **_facts(notice))
        except Exception as err:  # noqa: BLE001 - one message that breaks must not silence those after it
            self._drop(notice, f"sending it broke ({type(err).__name__})")
        else:
            self._counts.sent += 1
            if self._trouble:
                _log.info("slack_recovered", waiting=len(self._queue))
            self._trouble = ""

    def _in_trouble(self, err: Unavailable) -> None:
        if not self._trouble:
            _log.warning("slack_failed", why=str(err), waiting=len(self._queue) + 1)
        self._trouble = str(err)

    def _drop(self, notice: Notification, why: str) -> None:
        self._counts.dropped += 1
        _log.error("slack_message_dropped", why=why, text=notice.text, **_facts(notice))


class LogNotifier:
    """The `Notifier` for when no Slack is configured: each notice is a line in the log."""

    def tell(self, notice: Notification) -> None:
        log = _log.warning if notice.failure else _log.info
        log("people_told", text=notice.text, facts=dict(notice.facts), **_facts(notice))


def _facts(notice: Notification) -> dict[str, str]:
    return {"namespace": notice.namespace, "canary": notice.canary, "reason": notice.reason}
