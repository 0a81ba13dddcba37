"""Remembers what was computed from cached objects, which every pass reads anew and which seldom change.

Cached objects are replaced, never edited, so that the same object has the same answer.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")

KEPT = 4096
"""Answers that are kept, those that were asked for last: some templates each of a thousand canaries."""
UNUSED_S = 60.0
"""How long an answer is kept that nobody asks for; then its part may go, with all of the object that it was in."""


@dataclass(slots=True)
class _Known(Generic[Answer]):
    part: Mapping[str, Any]
    """Holding it keeps its id from being another's."""
    answer: Answer
    used_at: float


class Memo(Generic[Answer]):
    """A function of a part of a cached object, computed once for each. `kept` bounds how many answers stay."""

    def __init__(
        self,
        compute: Callable[[Mapping[str, Any]], Answer],
        kept: int = KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._compute = compute
        self._kept = kept
        self._clock = clock
        self._known: OrderedDict[Hashable, _Known[Answer]] = OrderedDict()

    def __call__(self, part: Mapping[str, Any], of: Hashable = None) -> Answer:
        """Return the answer for a part; for an equal one that is another object it is computed anew.

        `of` is whose part it is, where only the newest is asked about: it takes the place of the one before.
        """
        key = id(part) if of is None else of
        known, now = self._known.get(key), self._clock()
        if known is None or known.part is not part:
            known = _Known(part, self._compute(part), now)
            self._known[key] = known
        known.used_at = now
        self._known.move_to_end(key)
        self._forget(now)
        return known.answer

    def know(self, part: Mapping[str, Any], answer: Answer, of: Hashable) -> None:
        """Take the answer for a part from who knows it without computing it."""
        now = self._clock()
        self._known[of] = _Known(part, answer, now)
        self._known.move_to_end(of)
        self._forget(now)

    def _forget(self, now: float) -> None:
        while len(self._known) > self._kept or next(iter(self._known.values())).used_at < now - UNUSED_S:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        """The number of answers that are kept."""
        return len(self._known)
