"""How often Slack takes what: https://docs.slack.dev/apis/web-api/rate-limits. Time is given, in seconds."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

MINUTE_S = 60.0
MESSAGE_S = 1.0
"""A channel and a webhook take a message a second."""

TIERS: Mapping[str, int] = {
    "chat.update": 50,
    "conversations.history": 50,
    "conversations.list": 20,
    "conversations.replies": 50,
}
"""Calls of a method within a minute. Posting is limited by channel; auth.test takes hundreds, which nobody reaches."""


@dataclass(slots=True)
class Rates:
    """What was taken of late. `burst` is how many messages a channel takes at once after a rest.

    Slack says that it lets short bursts through, not how long they may be.
    """

    burst: int = 1
    _calls: dict[str, deque[float]] = field(default_factory=dict)
    _paid_until: dict[str, float] = field(default_factory=dict)

    def call(self, method: str, now: float) -> int:
        """Count a call; return 0 when it is within its limit, else after how many seconds it would be."""
        limit = TIERS.get(method)
        if limit is None:
            return 0
        taken = self._calls.setdefault(method, deque())
        while taken and now - taken[0] >= MINUTE_S:
            taken.popleft()
        if len(taken) >= limit:
            return _seconds(taken[0] + MINUTE_S - now)
        taken.append(now)
        return 0

    def message(self, channel: str, now: float) -> int:
        """Count a message; return as `call` does."""
        paid_until = max(self._paid_until.get(channel, now), now)
        if paid_until - now > MESSAGE_S * (self.burst - 1):
            return _seconds(paid_until - now - MESSAGE_S * (self.burst - 1))
        self._paid_until[channel] = paid_until + MESSAGE_S
        return 0


def _seconds(wait: float) -> int:
    return max(1, math.ceil(wait))
