"""The log lines of a pass: exactly one `reconciled` for each that came to its end, and one for each thing told.

Namespace, canary, revision and the pass's number are bound here once, for whatever else a pass logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

import structlog

from canary.controller.due import Key
from canary.rollout.model import Notice, Status

log = structlog.get_logger()


def of_pass(key: Key, number: int) -> AbstractContextManager[None]:
    """Bind whose pass it is; `number` is unlike that of every other pass of this process."""
    return structlog.contextvars.bound_contextvars(namespace=key[0], canary=key[1], pass_id=number)


def of_revision(status: Status) -> AbstractContextManager[None]:
    """Bind the revision that the status tells of."""
    return structlog.contextvars.bound_contextvars(revision=_shown(status))


def reconciled(before: Status | None, after: Status | None, because: str) -> None:
    """Log the end of a pass; `after` is None for a status that cannot be read, and nothing was decided then."""
    if after is None:
        log.info("reconciled", changed=False, because=because)
        return
    facts = {"phase": after.phase, "weight": after.weight, "step": after.step, "revision": _shown(after)}
    log.info("reconciled", changed=after != before, because=because, **facts)


def told(notices: Iterable[Notice]) -> None:
    """Log what was told as Events and messages."""
    for notice in notices:
        log.info("told", reason=notice.reason, text=notice.text)


def _shown(status: Status) -> str | None:
    return status.revision.shown if status.revision else None
