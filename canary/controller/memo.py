"""Remembers what was computed from cached objects, which every pass reads anew and which seldom change.

Cached objects are replaced, never edited, so that the same object has the same answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")

KEPT = 4096
"""Answers that are kept, those that were asked for last: some templates each of a thousand canaries."""


class Memo(Generic[Answer]):
    """A function of a part of a cached object, computed once for each. `kept` bounds how many answers stay."""

    def __init__(self, compute: Callable[[Mapping[str, Any]], Answer], kept: int = KEPT) -> None:
        self._compute = compute
        self._kept = kept
        self._known: OrderedDict[Hashable, tuple[Mapping[str, Any], Answer]] = OrderedDict()

    def __call__(self, part: Mapping[str, Any], of: Hashable = None) -> Answer:
        """Return the answer for a part; for an equal one that is another object it is computed anew.

        `of` is whose part it is, where only the newest is asked about: it takes the place of the one before.
        """
        key = id(part) if of is None else of
        known = self._known.get(key)
        if known is not None and known[0] is part:
            self._known.move_to_end(key)
            return known[1]
        answer = self._compute(part)
        self._known[key] = part, answer  # holding the part keeps its id from being another's
        self._known.move_to_end(key)
        if len(self._known) > self._kept:
            self._known.popitem(last=False)
        return answer

    def __len__(self) -> int:
        """The number of answers that are kept."""
        return len(self._known)
