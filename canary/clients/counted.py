"""Counts requests to the outside: each one is told to an `OnRequest` at its end, however it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from canary.ports import OnRequest, Peer, Request


@dataclass(slots=True, kw_only=True)
class Counted:
    """One request under way. `code` is to be set once its answer was read; until then there is none."""

    code: str = "none"

    def answered(self, status: int) -> None:
        """Take the HTTP status of an answer that was read."""
        self.code = f"{status // 100}xx" if 100 <= status < 600 else "none"


@contextmanager
def counted(tell: OnRequest, peer: Peer, verb: str, resource: str) -> Iterator[Counted]:
    """Tell `tell` of one request when the block ends; the block says what the answer was."""
    request, began = Counted(), time.monotonic()
    try:
        yield request
    finally:
        seconds = time.monotonic() - began
        tell(Request(peer=peer, verb=verb, resource=resource, code=request.code, seconds=seconds))
