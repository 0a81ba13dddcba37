"""What a cluster has of one canary, as far as a plan goes by it. Not its job: looking it up (plan_live.py)."""

from __future__ import annotations

from dataclasses import dataclass

from canary.lint.model import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One canary in the cluster. `size` is how many pods serve, None when there is nothing of it yet;
    `asked` is the size that a person names instead.

    `scaled`: an autoscaler sets the size. `notes` say where it comes from. `service` is None when there is none.
    """

    size: int | None = None
    asked: int | None = None
    scaled: bool = False
    notes: tuple[str, ...] = ()
    service: Document | None = None
