"""Tells what is said for the first time, so that a log says it once. Not its job: what is said.

What is told comes from outside (channels, codes of answers) and has no end: only the newest are remembered.
"""

from __future__ import annotations

from collections.abc import Hashable

MOST = 1000


class Once:
    """Remembers the newest `most` of the things it was asked about."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[Hashable, None] = {}

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._known)

    def is_new(self, thing: Hashable) -> bool:
        """Return whether nobody asked about this before, or so long ago that it is forgotten."""
        known = thing in self._known
        self._known.pop(thing, None)
        self._known[thing] = None
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return not known
