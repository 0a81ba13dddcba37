"""Foul weather on the wire by a seed: what stands between `canary run` and the API server, Prometheus or Slack fails.

What befalls the n-th request of a kind follows from the seed alone, whatever else goes on. Not its job: passing on what
is spared (tests.api.proxy), and what must hold meanwhile (tests.faults.test_gales).
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

from tests.api.audit import Request
from tests.api.proxy import Between, Cut


class Squall(StrEnum):
    """What may happen to a request or a watch. The words are the columns of the table at the end of a run."""

    SLOW = "slow"
    DROPPED = "dropped"
    LOST_ANSWER = "lost answer"
    CUT = "cut"
    CONFLICT = "409"
    GONE = "410"
    TOO_MANY = "429"
    BROKEN = "500"
    UNAVAILABLE = "503"
    STALE = "stale watch"
    STALE_ANSWER = "stale answer"
    STALE_SAMPLES = "stale samples"
    NONSENSE = "NaN"
    API_DOWN = "API down"
    PROMETHEUS_DOWN = "Prometheus down"
    SLACK_DOWN = "Slack down"


_FRESH = re.compile(r"-[0-9a-f]{8}\b")
_READS = (Squall.SLOW, Squall.DROPPED, Squall.TOO_MANY, Squall.BROKEN, Squall.UNAVAILABLE)
_CHANGES = (*_READS, Squall.CONFLICT)
_LISTS = (*_READS, Squall.GONE)
_WATCHES = (Squall.CUT, Squall.GONE, Squall.STALE)
_CODES = {Squall.CONFLICT: 409, Squall.GONE: 410, Squall.TOO_MANY: 429, Squall.BROKEN: 500, Squall.UNAVAILABLE: 503}
_REASONS = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
_FATE_AFTER_S = (2.0, 20.0)
_STALE_FOR_S = (2.0, 8.0)
_LATE_BY_S = (1.0, 6.0)
LONGER_THAN_ANYBODY_WAITS_S = 12.0


@dataclass(slots=True)
class Gale(Between):
    """The weather before one server. `share` of the requests fares ill; `counted` says what happened."""

    seed: str
    share: float
    counted: Counter[str]
    clear: bool = False
    down: bool = False
    _asked: Counter[str] = field(default_factory=Counter)

    def _drawn(self, asked: Request, part: str) -> random.Random:
        """Return the dice for a part of this request: the n-th of its kind, in whatever namespace this run has made."""
        of_its_kind = _FRESH.sub("", f"{part} {asked.verb} {asked.resource} {asked.namespace}/{asked.name}")
        self._asked[of_its_kind] += 1
        return random.Random(f"{self.seed} {of_its_kind} {self._asked[of_its_kind]}")

    def _strikes(self, dice: random.Random, share: float) -> bool:
        return not self.clear and dice.random() < share

    async def instead(self, asked: Request) -> web.Response | None:
        if self.down:
            raise Cut
        dice = self._drawn(asked, "request")
        if not self._strikes(dice, self.share):
            return None
        squall = dice.choice(_CHANGES if asked.writes else _LISTS if asked.verb in ("list", "watch") else _READS)
        self.counted[squall] += 1
        if squall is Squall.DROPPED:
            raise Cut
        if squall is Squall.SLOW:
            await asyncio.sleep(dice.uniform(0.1, 2) if dice.random() < 0.8 else LONGER_THAN_ANYBODY_WAITS_S)
            return None
        return _refusal(_CODES[squall])

    async def done(self, asked: Request) -> None:
        """Lose the answer to a write; keep back one that was read until others have written since.

        Nothing older may be answered: whoever names no resourceVersion is promised the newest at the time of asking.
        """
        late = self._drawn(asked, "late")
        if asked.verb in ("get", "list") and self._strikes(late, self.share):
            self.counted[Squall.STALE_ANSWER] += 1
            await asyncio.sleep(late.uniform(*_LATE_BY_S))
        if asked.writes and self._strikes(self._drawn(asked, "answer"), self.share / 2):
            self.counted[Squall.LOST_ANSWER] += 1
            raise Cut

    async def body(self, asked: Request, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        if asked.verb == "watch":
            pieces = self._watched(self._drawn(asked, "watch"), pieces)
        cut = asked.verb != "watch" and self._strikes(self._drawn(asked, "body"), self.share / 4)
        async for piece in pieces:
            if cut:
                self.counted[Squall.CUT] += 1
                yield piece[: len(piece) // 2]
                raise Cut
            yield piece

    async def _watched(self, dice: random.Random, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the lines of a watch until it meets its fate; those that come too late are held back and follow."""
        fate, loop = dice.choice(_WATCHES), asyncio.get_running_loop()
        until = loop.time() + dice.uniform(*_FATE_AFTER_S)
        if fate is Squall.STALE:
            async for line in lines:
                if not self.clear and loop.time() >= until:
                    self.counted[fate] += 1
                    await asyncio.sleep(dice.uniform(*_STALE_FOR_S))
                    until = loop.time() + dice.uniform(*_FATE_AFTER_S)
                yield line
            return
        async for line in _until(until, lines):
            yield line
        self.counted[fate] += 1
        if fate is Squall.CUT:
            yield b'{"type": "MODIFIED", "object": {"kind": '
            raise Cut
        yield json.dumps({"type": "ERROR", "object": _status(410)}).encode() + b"\n"


async def _until(moment: float, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines that come before a moment of the loop's time."""
    while True:
        try:
            yield await asyncio.wait_for(anext(lines), moment - asyncio.get_running_loop().time())
        except (StopAsyncIteration, TimeoutError):
            return


def _status(code: int) -> dict[str, object]:
    kind = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**kind, "code": code, "reason": _REASONS[code], "message": f"the weather answered {code}"}


def _refusal(code: int) -> web.Response:
    return web.json_response(_status(code), status=code, headers={"Retry-After": "1"} if code == 429 else {})
