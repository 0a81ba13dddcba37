"""Whether the API server's clock jumped ahead of this process's own, as when it is set, or its machine was asleep.

What began before such a jump looks older than it is: less was seen of it than its times say.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from canary.ports import Clock

AHEAD = timedelta(seconds=2)
"""By more than this it is a jump: the time that an answer bears has whole seconds."""


class Jumps:
    """Reads a clock, and notes when it had jumped.

    A clock that falls back and comes up again has not: API servers that do not agree, and answers that come late, make
    it do so again and again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._most: timedelta | None = None
        self.latest: datetime | None = None

    def now(self) -> datetime:
        """Return the clock's time; after a jump `latest` is the first that was read, None before there was one."""
        now = self._clock.now()
        offset = timedelta(seconds=now.timestamp() - asyncio.get_running_loop().time())
        if self._most is not None and offset - self._most > AHEAD:
            self.latest = now
        self._most = offset if self._most is None else max(self._most, offset)
        return now
