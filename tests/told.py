"""A Notifier that remembers what it was told, for tests that are not about Slack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from canary.ports import Bulletin, Notification, Receipt


@dataclass(slots=True)
class Told:
    """What was told, oldest first. It needs nothing kept in the status."""

    notes: list[Notification] = field(default_factory=list)
    lasting: bool = False

    def tell(self, bulletin: Bulletin) -> None:
        self.notes += bulletin.notices

    def gave_up(self, notices: Sequence[Notification], why: str) -> None:
        """Nothing waits."""

    def receipt(self, namespace: str, canary: str) -> Receipt | None:
        """Nothing waits."""

    def forget(self, namespace: str, canary: str) -> None:
        """Nothing waits."""

    def listen(self, wake: Callable[[str, str], None]) -> None:
        """Nothing needs to be written."""

    async def idle(self) -> None:
        """Nothing waits."""
