"""Moments at which the windows of canaries begin and end: thirds of a scrape interval, the same for all of them.

Windows of equal length that end at one moment can be asked in one query. With as many places in an interval as here,
little time is lost until the next one, and not all canaries are looked at in the same moment.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

PLACES = 3
"""In one scrape interval."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def on_grid(moment: datetime, scrape: timedelta, *, later: int = 0) -> datetime:
    """Return the first moment of the grid that is not before `moment`, or the one that is `later` places after it."""
    begin = moment - (moment - _EPOCH) % scrape
    place = next(place for place in range(PLACES + 1) if begin + scrape * place / PLACES >= moment)
    return begin + scrape * (place + later) / PLACES


def newest_scrape(since: datetime, now: datetime, scrape: timedelta) -> datetime:
    """Return the newest moment `since + n * scrape` (n >= 0) that is not after `now`; `since` when it is to come."""
    return since if now <= since else since + ((now - since) // scrape) * scrape
