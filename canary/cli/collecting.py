"""When Python looks through all objects for cycles that nobody needs: seldom, and when nothing else is to do.

The caches of a thousand canaries are big, live long and have no cycles. To look through them stops everything for some
tenths of a second, so Python may not do that by itself in a burst of events; never to do it would keep what a failed
request or a cut watch leaves behind. What is new is looked through more often, before it is too much for one moment.
Not its job: what has no cycles, which goes at once.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

FEW_COLLECTIONS = (100_000, 20, 100)
"""Thresholds of Python's collector by which it looks at what is new when that is much, at what is old hardly ever."""
MANY = 10_000
"""New objects that are looked through at a calm moment, some hundredths of a second for the whole."""
EVERY_S = 300.0
LATEST_S = 900.0
"""How long a process that is never calm goes without."""
CALM_S = 3
"""Seconds in each of which the event loop answered at once."""
AT_ONCE_S = 0.005


def collect() -> None:
    """Free what only refers to itself, and have the next look begin after what is left now."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def collect_new() -> None:
    """Look through what came since the last look, unless it is little; it is not looked through again by this."""
    new, looks, _ = gc.get_count()
    if looks or new > MANY:
        gc.collect(1)


async def collecting(
    collect: Callable[[], None] = collect,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    collect_new: Callable[[], None] = collect_new,
) -> None:
    """Collect every five minutes, at a calm moment if there is one within fifteen, and at each calm moment what is new.

    Until cancelled.
    """
    loop = asyncio.get_running_loop()
    last, calm = loop.time(), 0
    while True:
        asked = loop.time()
        await sleep(1)
        now = loop.time()
        calm = calm + 1 if now - asked - 1 <= AT_ONCE_S else 0
        since = now - last
        if since >= LATEST_S or (since >= EVERY_S and calm >= CALM_S):
            collect()
            last, calm = loop.time(), 0
        elif calm >= CALM_S:
            collect_new()
            calm = 0
