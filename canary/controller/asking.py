"""Asks Prometheus beside the passes, so that a slow or silent one delays no answer to a crash or an abort.

One errand a canary at a time. What was asked for an earlier weight or revision is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from canary.controller.due import Key
from canary.controller.haste import Haste
from canary.controller.measure import Measurement, answer
from canary.rollout.model import Answer, Plan, Question, Side, Status
from canary.rollout.verdict import fails, sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What is to be asked, and about which moment of a rollout (`moment_of`)."""

    asked: tuple[Question, ...]
    measurement: Measurement
    moment: Hashable


class Asker:
    """Runs errands. `start` asks for a run of this object with a key, `wake` for a pass with the answers.

    Answers by which a check fails go first: traffic is likely to be taken away for them. The rules decide that.
    """

    def __init__(self, *, start: Callable[[Key], None], wake: Callable[[Key, Haste], None]) -> None:
        self._start = start
        self._wake = wake
        self._errands: dict[Key, Errand] = {}
        self._found: dict[Key, tuple[Hashable, Mapping[Question, Answer]]] = {}

    def send(self, key: Key, errand: Errand) -> None:
        """Ask, unless something is being asked for this canary already."""
        if key not in self._errands:
            self._errands[key] = errand
            self._start(key)

    def take(self, key: Key, moment: Hashable) -> Mapping[Question, Answer]:
        """Return the newest answers that came for that moment; empty when there are none.

        They are given again until newer ones come, so that what a pass says does not change while those are awaited.
        """
        about, answers = self._found.get(key, (None, {}))
        return answers if about == moment else {}

    def is_out(self, key: Key) -> bool:
        """Return whether answers are on their way."""
        return key in self._errands

    def forget(self, key: Key) -> None:
        """Drop what was found for a canary that is gone."""
        self._found.pop(key, None)

    async def __call__(self, key: Key) -> timedelta | None:
        """Run the errand of one canary."""
        errand = self._errands.get(key)
        if errand is None:
            return None
        try:
            answers = await answer(errand.asked, errand.measurement)
        finally:
            del self._errands[key]
        self._found[key] = (errand.moment, answers)
        self._wake(key, Haste.FIRST if _is_bad(errand.measurement.plan, answers) else Haste.REST)
        return None


def _is_bad(plan: Plan, answers: Mapping[Question, Answer]) -> bool:
    checks = {check.name: check for check in plan.checks}
    of_canary = ((checks.get(asked.check), found) for asked, found in answers.items() if asked.side is Side.CANARY)
    return any(check is not None and fails(check, sound(found), plan.min_requests) for check, found in of_canary)


def moment_of(status: Status) -> Hashable:
    """Return what must not change between question and answer: revision, weight, and since when it holds."""
    revision = status.revision.key if status.revision else ""
    memory = status.memory
    return (revision, status.weight, status.step, memory.stage, memory.effective_at, memory.recovering_since)
