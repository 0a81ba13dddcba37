"""A state machine that lets everything happen to a canary in any order, crashes included, and checks the invariants.

Narrow rules on purpose: each is one event of one kind, so that a failing example reads as a story.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from canary.errors import Conflict
from canary.rollout.model import (
    Answer,
    CommandName,
    Counts,
    Fault,
    NoAnswer,
    NoData,
    Question,
    Revision,
    Side,
    Step,
)
from canary.rollout.phases import Phase
from tests.rollout.actor import Effect, choose, effects, observe, stamp
from tests.rollout.builders import a_plan, steps
from tests.rollout.cluster import Cluster
from tests.rollout.laws import Laws

FIRST = Revision(digest="v0", image="app:v0")
SECONDS = (0, 1, 5, 10, 15, 60, 600)
PLANS = (
    a_plan(steps=steps(25, 50), no_data_timeout=timedelta(minutes=5)),
    a_plan(steps=steps(10, 50, pause_at=10), max_failures=1),
    a_plan(steps=(Step(weight=5, duration=timedelta(minutes=3)), Step(weight=100)), no_data=NoData.PROMOTE),
    a_plan(skip_analysis=True),
)
VERDICTS: dict[str, tuple[Answer, Answer]] = {
    "good": (Counts(total=1000.0, bad=1.0), Counts(total=1000.0, bad=0.0)),
    "bad": (Counts(total=1000.0, bad=20.0), Counts(total=1000.0, bad=0.0)),
    "awful": (Counts(total=1000.0, bad=900.0), Counts(total=1000.0, bad=0.0)),
    "environment": (Counts(total=1000.0, bad=900.0), Counts(total=1000.0, bad=900.0)),
    "quiet": (Counts(total=2.0, bad=0.0), Counts(total=100.0, bad=0.0)),
    "silent": (Counts(total=None, bad=0.0), Counts(total=None, bad=0.0)),
    "down": (NoAnswer(because="Prometheus is down"), NoAnswer(because="Prometheus is down")),
}


class CanaryMachine(RuleBasedStateMachine):
    """What can happen, and after each event a pass of the controller, whole or cut short."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster(FIRST)
        self.plan = PLANS[0]
        self.verdict = "good"
        self.pushed = 0
        self.frozen: list[Effect] = []
        self.laws = Laws(self.cluster)

    @initialize(plan=st.integers(0, len(PLANS) - 1), onboarded=st.booleans())
    def begin(self, plan: int, onboarded: bool) -> None:
        self.plan = PLANS[plan]
        if onboarded:
            for _ in range(20):
                self._pass()
                self.cluster.advance(timedelta(seconds=5))

    # --- events

    @rule(broken=st.booleans())
    def push(self, broken: bool) -> None:
        self.pushed += 1
        self.cluster.push(Revision(digest=f"v{self.pushed}", image=f"app:v{self.pushed}"), broken=broken)

    @rule(back=st.integers(0, 2))
    def go_back(self, back: int) -> None:
        self.cluster.push(Revision(digest=f"v{max(0, self.pushed - back)}", image="app"))

    @precondition(lambda self: self.cluster.target is not None)
    @rule(when=st.sampled_from(("a", "b")))
    def restart(self, when: str) -> None:
        assert self.cluster.target is not None
        self.cluster.push(replace(self.cluster.target.revision, restarted_at=when))

    @precondition(lambda self: self.cluster.target is not None)
    @rule(config=st.sampled_from(("", "c1", "c2")))
    def edit_config(self, config: str) -> None:
        assert self.cluster.target is not None
        self.cluster.push(replace(self.cluster.target.revision, config=config))

    @rule(verdict=st.sampled_from(sorted(VERDICTS)))
    def requests_turn(self, verdict: str) -> None:
        self.verdict = verdict

    @precondition(lambda self: self.cluster.target is not None and self.cluster.target.pods)
    @rule()
    def candidate_pod_dies(self) -> None:
        assert self.cluster.target is not None
        self.cluster.target.pods[0].born = self.cluster.now
        self.cluster.run()

    @precondition(lambda self: self.cluster.primary is not None)
    @rule(replicas=st.integers(1, 6))
    def primary_is_resized(self, replicas: int) -> None:
        self.plan = replace(self.plan, replicas=replicas)

    @rule(name=st.sampled_from(CommandName))
    def command(self, name: CommandName) -> None:
        self.cluster.commanded(name)

    @rule(weights=st.sampled_from(((5, 20), (40,), (10, 60, 100))))
    def steps_are_edited(self, weights: tuple[int, ...]) -> None:
        self.plan = replace(self.plan, steps=steps(*weights))

    @rule(suspend=st.booleans())
    def suspend(self, suspend: bool) -> None:
        self.plan = replace(self.plan, suspend=suspend)

    @rule(fault=st.booleans())
    def a_fault_comes_or_goes(self, fault: bool) -> None:
        self.cluster.faults = (Fault(reason="RouteConflict", message="another route"),) if fault else ()

    @precondition(lambda self: self.cluster.status.phase not in (None, Phase.INITIALIZING))
    @rule()
    def somebody_widens_the_apex(self) -> None:
        self.cluster.narrow = False
        self.cluster.versions["apex"] += 1
        self.cluster.run()

    @precondition(lambda self: self.cluster.target is not None)
    @rule(replicas=st.integers(0, 3))
    def somebody_sets_replicas(self, replicas: int) -> None:
        self.cluster.scaled_by_hand(replicas)

    @precondition(lambda self: self.cluster.target is not None and self.cluster.target.paused)
    @rule()
    def a_put_drops_the_hold(self) -> None:
        self.cluster.unpaused_by_hand()

    @precondition(lambda self: self.cluster.target is not None)
    @rule()
    def the_deployment_is_deleted(self) -> None:
        self.cluster.target = None

    @precondition(lambda self: self.cluster.target is None)
    @rule(version=st.integers(0, 1))
    def the_deployment_is_made_again(self, version: int) -> None:
        self.cluster.recreate(Revision(digest=f"v{max(0, self.pushed - version)}", image="app"))

    @precondition(lambda self: self.cluster.primary is not None and not self.cluster.primary.deleting)
    @rule(foreground=st.booleans())
    def the_primary_is_deleted(self, foreground: bool) -> None:
        self.cluster.delete_primary(foreground=foreground)

    @rule(accepting=st.booleans())
    def the_mesh_stops_accepting(self, accepting: bool) -> None:
        self.cluster.accepting = accepting

    @rule(seconds=st.sampled_from(SECONDS))
    def time_passes(self, seconds: int) -> None:
        self.cluster.advance(timedelta(seconds=seconds))

    @rule(passes=st.integers(1, 8))
    def all_goes_well(self, passes: int) -> None:
        for _ in range(passes):
            self._pass()
            self.cluster.advance(timedelta(seconds=15))

    @rule(leaving=st.booleans())
    def leave(self, leaving: bool) -> None:
        self.cluster.leaving = leaving or self.cluster.gone

    # --- the controller

    @rule()
    def a_pass(self) -> None:
        self._pass()

    @rule(after=st.integers(0, 4))
    def a_pass_that_crashes(self, after: int) -> None:
        self._pass(crash_after=after)

    @rule(after=st.integers(1, 4))
    def a_leader_freezes_and_another_takes_over(self, after: int) -> None:
        self.frozen = self._pass(crash_after=after)
        stamp(self.cluster)

    @precondition(lambda self: self.frozen)
    @rule()
    def the_frozen_leader_wakes(self) -> None:
        late, self.frozen = self.frozen, []
        for effect in late:
            try:
                effect()
            except Conflict:
                return

    @invariant()
    def the_laws_hold(self) -> None:
        self.laws.at_any_time()

    def _pass(self, crash_after: int | None = None) -> list[Effect]:
        if self.cluster.gone:
            return []
        seen = observe(self.plan, self.cluster, self.answer)
        decision = choose(self.plan, seen)
        self.laws.of_decision(seen, decision)
        pending = list(effects(self.cluster, seen, decision))
        for number, effect in enumerate(pending):
            if number == crash_after:
                return pending[number:]
            with self.laws.of_effect(seen, decision):
                try:
                    effect()
                except Conflict:
                    return []
        return []

    def answer(self, question: Question) -> Answer:
        canary, primary = VERDICTS[self.verdict]
        return canary if question.side is Side.CANARY else primary

    def teardown(self) -> None:
        """All calms down and every verdict passes: the canary reaches rest in bounded time."""
        self.verdict, self.frozen = "good", []
        self.cluster.heal()
        if self.cluster.target is None:
            self.cluster.recreate(Revision(digest=f"v{self.pushed}", image="app"))
        if self.cluster.status.phase in (None, Phase.INITIALIZING) and not self.cluster.narrow:
            self.cluster.scaled_by_hand(2)
        self.cluster.accepting, self.cluster.faults, self.cluster.command = True, (), None
        self.plan = replace(self.plan, suspend=False)
        for _ in range(400):
            if self._rests():
                break
            if self.cluster.status.phase is Phase.PAUSED and self.cluster.command is None:
                self.cluster.commanded(CommandName.RESUME)
            if self.cluster.leaving and self.cluster.command is None:
                self.cluster.commanded(CommandName.RELEASE)
            self._pass()
            self.laws.at_any_time()
            self.cluster.advance(timedelta(seconds=10))
        assert self._rests(), f"no rest: {self.cluster.status}"

    def _rests(self) -> bool:
        status, target = self.cluster.status, self.cluster.target
        if self.cluster.leaving or target is None:
            return self.cluster.gone
        known = {status.stable.key if status.stable else "", status.last_failed}
        at_rest = status.phase is not None and status.phase.at_rest and target.replicas == 0
        return at_rest and target.revision.key in known and self.cluster.weight == 0


TestCanaryMachine = CanaryMachine.TestCase
TestCanaryMachine.settings = settings(stateful_step_count=30)
