"""What is wrong with something that a user wrote: all faults are reported together, never only the first."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from canary.errors import ConfigError

LONGEST_SHOWN = 80
LONGEST_KEY = 320
"""No annotation's key is longer; a field's name in a file may be."""
MOST_FAULTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecFault:
    """One fault: the annotation's key or the field's path, what was found there, what is allowed.

    `nearest` is the known key that was probably meant, "" when none is near.
    """

    key: str
    found: str
    allowed: str
    nearest: str = ""

    @property
    def text(self) -> str:
        """The fault as one sentence of printable characters, whatever was written."""
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        sentence = f"{self.key[:LONGEST_KEY]}: found {shown(self.found)}, allowed is {self.allowed}{hint}"
        if sentence.isprintable():
            return sentence
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in sentence)


class SpecError(ConfigError):
    """What a user wrote has faults; the message has all of them."""

    def __init__(self, faults: Iterable[SpecFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.text for fault in self.faults))


def shown(value: str) -> str:
    """Return a value in quotes, cut to `LONGEST_SHOWN` characters, control characters escaped."""
    cut = value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}..."
    return '"' + cut.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"' if cut else "nothing"


def said(value: Any) -> str:
    """Return a value of any JSON type as a fault shows it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)[: 10 * LONGEST_SHOWN]


def bounded(faults: Sequence[SpecFault]) -> tuple[SpecFault, ...]:
    """Return the faults, of more than `MOST_FAULTS` the first and one that counts the others."""
    if len(faults) <= MOST_FAULTS:
        return tuple(faults)
    more = SpecFault(key="and more", found=f"{len(faults) - MOST_FAULTS} other faults", allowed="none")
    return (*faults[:MOST_FAULTS], more)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most like `word`, "" when none is near."""
    return next(iter(difflib.get_close_matches(word[:100], list(known), n=1)), "")
