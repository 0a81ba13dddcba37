"""The keys that wait for a worker, in the order in which they get one.

Who is in a hurry comes first, then all others, of them who was served in the last seconds last, longest ago first. When
hundreds of canaries are told of something in the same second, each has its first pass, which takes a bad version's
traffic away, before any has the next ones, which tidy up after it. Nobody waits for ever: of those that begin, one in
four is who waits longest, once that is too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count

from canary.controller.haste import Haste

SERVED_S = 3.0
"""How long a key that was served comes after those that were not; in a hurry it does not matter."""
TOO_LONG_S = 10.0
"""How long a key waits for others whatever their haste."""
ONE_IN = 4
"""One in so many keys is taken from those that wait too long, while there are any."""
FEW = 64
"""Places that were given up and are kept before all are cleared away."""

Key = tuple[str, str]
"""Namespace and name."""

_Place = tuple[Haste, float, int, float, Key]
"""Where a key stands, since when it waits, and which it is: the least begins next."""


class Due:
    """Keys, each at most once. Times are those of the event loop, in seconds."""

    def __init__(self) -> None:
        self._heap: list[_Place] = []  # with places that were given up since
        self._places: dict[Key, _Place] = {}
        self._order, self._taken = count(), count(1)
        self._served: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    @property
    def hurried(self) -> bool:
        """Whether any of them is in more of a hurry than usual."""
        self._trim()
        return bool(self._heap) and self._heap[0][0] < Haste.REST

    def put(self, key: Key, haste: Haste, since: float) -> None:
        """Let a key wait; one that waits already has another place from now on."""
        served = self._served.get(key, 0.0) if haste is Haste.REST else 0.0
        lately = served if served > since - SERVED_S else 0.0
        place = self._places[key] = (haste, lately, next(self._order), since, key)
        heappush(self._heap, place)
        if len(self._heap) > 2 * len(self._places) + FEW:
            self._heap = sorted(self._places.values())

    def take(self, now: float) -> Key:
        """Return the next key, which is served now. Raises IndexError when none waits."""
        self._trim()
        key = self._heap[0][-1]
        longest, (*_, since, _) = next(iter(self._places.items()))  # a new place leaves a key where it is in the dict
        if next(self._taken) % ONE_IN == 0 and now - since > TOO_LONG_S:
            key = longest
        del self._places[key]
        self._served.pop(key, None)
        self._served[key] = now  # the order of the dict is that of the times
        while (oldest := next(iter(self._served))) != key and self._served[oldest] < now - SERVED_S:
            del self._served[oldest]
        return key

    def does_not_count(self, key: Key) -> None:
        """Forget that a key was served."""
        self._served.pop(key, None)

    def _trim(self) -> None:
        """Drop places in front that no key has any more; those behind go when they come to the front."""
        while self._heap and self._places.get(self._heap[0][-1]) is not self._heap[0]:
            heappop(self._heap)
