"""A rollout run through the rules themselves, in a small world where everything goes as it should. Pure.

The world is no cluster: pods are ready after a given time, the mesh takes each weight at once, nobody meddles. So the
times are the least that a rollout may take, and they follow the rules because the rules make them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from canary.rollout.decide import decide
from canary.rollout.model import (
    Answer,
    Apex,
    Check,
    Command,
    CommandName,
    Counts,
    Decision,
    Limit,
    Memory,
    Plan,
    Primary,
    Question,
    Revision,
    Side,
    Status,
    Target,
    Value,
    World,
)
from canary.rollout.phases import Phase
from canary.rollout.questions import questions
from canary.rollout.situation import Pass, track
from canary.rollout.windows import windows
from meshes.contract import Seen

BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
OLD = Revision(digest="old", pin="old")
NEW = Revision(digest="new", pin="new")
MOST_PASSES = 100_000
LONGEST = timedelta(days=400)
PLENTY = 1_000_000
"""Requests in every window: more than any `min-requests` asks for."""
SURGE = 0.25
"""The share of the primary's pods that a roll replaces at a time (apps/v1, the default of maxSurge)."""


class NotPromoted(Exception):
    """A good version would not be promoted with these settings; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What is assumed of the world: the primary's pods, how long pods take to be ready, whether the version is good.

    A version that is not good fails every check with every request, while the primary passes.
    """

    primary: int
    ready_after: timedelta = timedelta(0)
    good: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One pass, so long after the push: `before` it and the `status` that it led to.

    `fast`: the fast rule had something to look at, `whole`: an evaluation was due.
    """

    after: timedelta
    before: Status
    status: Status
    fast: bool
    whole: bool


def simulated(plan: Plan, assumed: Assumed) -> tuple[Moment, ...]:
    """Return each pass from the push to the end, in its order. `suspend` is passed over.

    A `pause` is resumed at once. Raises NotPromoted when the rules would wait for ever.
    """
    world = _World(replace(plan, suspend=False), assumed)
    moments: list[Moment] = []
    for _ in range(MOST_PASSES):
        moment, decision = world.one_pass()
        moments.append(moment)
        if world.over:
            return tuple(moments)
        if not world.apply(decision) and not world.wait(decision):
            break
        if world.now - BEGIN > LONGEST:
            break
    raise NotPromoted(world.status.message)


class _World:
    """What is true, changed by decisions and by time."""

    def __init__(self, plan: Plan, assumed: Assumed) -> None:
        self.plan, self.assumed = plan, assumed
        self.now = BEGIN
        self.status = Status(
            phase=Phase.INITIALIZED, stable=OLD, memory=Memory(size=assumed.primary, weight_at=BEGIN - LONGEST)
        )
        self.weight = 0
        self.born: list[datetime] = []
        self.held = False
        self.pin = OLD.pin
        self.stored = frozenset({OLD.key})
        self.primary = OLD.key
        self.rolled_at = BEGIN
        self.command: Command | None = None
        self._commands = 0

    @property
    def over(self) -> bool:
        """Whether the rollout came to its end."""
        return self.status.phase in (Phase.SUCCEEDED, Phase.FAILED)

    def one_pass(self) -> tuple[Moment, Decision]:
        """Ask what is due, decide, and remember the status."""
        self._resume()
        world, before = self._seen(), self.status
        due = questions(self.plan, before, world, self.now)
        looked = windows(track(Pass(plan=self.plan, status=before, world=world, now=self.now)))
        checks = {check.name: check for check in self.plan.checks}
        answers = {question: self._answer(checks[question.check], question) for question in due}
        decision = decide(plan=self.plan, status=self.status, world=replace(world, answers=answers), now=self.now)
        self.status = decision.status
        if decision.drop_command:
            self.command = None
        moment = Moment(
            after=self.now - BEGIN,
            before=before,
            status=self.status,
            fast=looked.fast is not None and any(checks[question.check].builtin for question in due),
            whole=looked.whole is not None and bool(due),
        )
        return moment, decision

    def _resume(self) -> None:
        if self.status.phase is Phase.PAUSED and self.command is None:
            self._commands += 1
            self.command = Command(name=CommandName.RESUME, text="resume", by="forecast", id=str(self._commands))

    def _answer(self, check: Check, question: Question) -> Answer:
        good = self.assumed.good or question.side is Side.PRIMARY
        if check.builtin is not None:
            return Counts(total=PLENTY, bad=0 if good else PLENTY)
        beyond = math.inf if check.side is Limit.MAX else -math.inf
        return Value(value=check.limit if good else math.nextafter(check.limit, beyond))

    def apply(self, decision: Decision) -> bool:
        """Make the world as it is wanted; return whether anything changed."""
        before = (self.weight, len(self.born), self.held, self.pin, self.stored, self.primary)
        wanted = decision.wanted
        if decision.weight is not None:
            self.weight = decision.weight
        if wanted.store is not None:
            self.stored |= {wanted.store.key}
        if wanted.canary_pin is not None:
            self.pin = wanted.canary_pin
        if wanted.primary is not None and wanted.primary.key != self.primary:
            self.primary = wanted.primary.key
            self.rolled_at = self.now + self._roll()
        if wanted.target is not None:
            replicas = len(self.born) if wanted.target.replicas is None else wanted.target.replicas
            self.held = self.held if wanted.target.held is None else wanted.target.held
            self.born = [*self.born[:replicas], *[self.now] * (replicas - len(self.born))]
        return before != (self.weight, len(self.born), self.held, self.pin, self.stored, self.primary)

    def _roll(self) -> timedelta:
        """Return how long the primary's roll takes: maxUnavailable 0, a surge at a time."""
        surge = max(1, math.ceil(self.assumed.primary * SURGE))
        return math.ceil(self.assumed.primary / surge) * self.assumed.ready_after

    def wait(self, decision: Decision) -> bool:
        """Let time pass until something may change; return whether anything ever may."""
        moments = [born + self.assumed.ready_after for born in self.born]
        moments += [self.rolled_at]
        if decision.again_in is not None:
            moments.append(self.now + decision.again_in)
        later = [moment for moment in moments if moment > self.now]
        if (
            self.command is not None
            or self.status.phase is Phase.PAUSED
            or (decision.again_in is not None and not decision.again_in)
        ):
            return True
        if not later:
            return False
        self.now = min(later)
        return True

    def _ready(self) -> int:
        return sum(self.now - born >= self.assumed.ready_after for born in self.born)

    def _seen(self) -> World:
        rolled = self.now >= self.rolled_at
        size = self.assumed.primary
        target = Target(
            generation=2,
            revision=NEW,
            replicas=len(self.born),
            paused=self.held,
            pods=len(self.born),
            other_pods=0,
            ready=self._ready() if self.pin == NEW.pin else 0,
            settled=True,
            progress_deadline=LONGEST,
        )
        return World(
            target=target,
            primary=Primary(
                key=self.primary, restarted_at="", replicas=size, ready=size if rolled else 0, rolled_out=rolled
            ),
            split=Seen(weight=self.weight, accepted=True),
            apex=Apex(exists=True, narrow=True, primary_only=True),
            canary_pin=self.pin,
            stored=self.stored,
            command=self.command,
        )
