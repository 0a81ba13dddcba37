"""Properties of decide() over worlds that nobody thought of: it never raises, and it comes to an answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import hypothesis.strategies as st
from hypothesis import given, settings

from canary.rollout.decide import decide
from canary.rollout.model import (
    Apex,
    Autoscaler,
    Command,
    CommandName,
    Counts,
    Fault,
    Memory,
    NoAnswer,
    Plan,
    Primary,
    Stage,
    Status,
    Target,
    Trouble,
    World,
)
from canary.rollout.phases import Phase
from canary.rollout.questions import questions
from meshes.contract import Seen
from tests.rollout.builders import LONG_AGO, NEW, NEWER, OLD, a_plan, at, steps

moments = st.none() | st.sampled_from([LONG_AGO, at(-60), at(-15), at(-5), at(0), at(30)])
pods = st.integers(0, 5)
revisions = st.sampled_from(
    [OLD, NEW, NEWER, replace(NEW, restarted_at="r"), replace(NEW, config="c"), replace(NEW, pin="")]
)
weights = st.sampled_from([0, 5, 10, 25, 50, 100])
troubles = st.builds(Trouble, restarts=st.integers(0, 4), pull_error_since=moments)
targets = st.builds(
    Target,
    generation=st.integers(1, 9),
    revision=revisions,
    replicas=pods,
    paused=st.booleans(),
    pods=pods,
    other_pods=pods,
    ready=pods,
    settled=st.booleans(),
    progress_deadline=st.just(timedelta(minutes=10)),
    trouble=troubles,
)
primaries = st.builds(
    Primary,
    key=st.sampled_from(["old", "new"]),
    restarted_at=st.just(""),
    replicas=pods,
    ready=pods,
    rolled_out=st.booleans(),
    deleting=st.booleans(),
    foreground=st.booleans(),
    orphaned=st.booleans(),
    left_alone=st.booleans(),
    min_ready=st.sampled_from([timedelta(0), timedelta(seconds=2**31 - 1)]),
)
commands = st.builds(Command, name=st.none() | st.sampled_from(CommandName), text=st.just("x"), by=st.just("ann"))
worlds = st.builds(
    World,
    target=st.none() | targets,
    primary=st.none() | primaries,
    split=st.builds(Seen, weight=st.none() | weights, accepted=st.booleans()),
    apex=st.builds(
        Apex,
        exists=st.booleans(),
        narrow=st.booleans(),
        primary_only=st.booleans(),
        no_other=st.booleans(),
        unlisted=st.sampled_from(["", "checkout"]),
    ),
    canary_pin=st.sampled_from([None, "", OLD.pin, NEW.pin]),
    stored=st.frozensets(st.sampled_from(["old", "new"])),
    autoscaler=st.none() | st.builds(Autoscaler, at_primary=st.booleans(), floor=pods),
    command=st.none() | commands,
    leaving=st.booleans(),
    namespace_terminating=st.booleans(),
    no_split=st.booleans(),
    faults=st.lists(st.builds(Fault, reason=st.just("RouteConflict"), message=st.just("m")), max_size=1).map(tuple),
)
memories = st.builds(
    Memory,
    stage=st.sampled_from(Stage),
    hold=st.booleans(),
    candidate=pods,
    ready=pods,
    size=st.none() | pods,
    waiting_since=moments,
    ready_at=moments,
    weight_at=moments,
    effective_at=moments,
    evaluated_at=moments,
    failed_at=moments,
    passed_at=moments,
    no_data_since=moments,
    recovering_since=moments,
    narrowed_at=moments,
    wide_since=moments,
    target_gone_at=moments,
    left_at=moments,
    step_weight=weights,
)
statuses = st.builds(
    Status,
    phase=st.none() | st.sampled_from(Phase),
    weight=weights,
    step=st.integers(-1, 6),
    revision=st.none() | revisions,
    stable=st.none() | st.sampled_from([OLD, NEW]),
    last_failed=st.sampled_from(["", "new"]),
    failed_checks=st.integers(0, 3),
    started_at=moments,
    memory=memories,
)
plans = st.sampled_from(
    [a_plan(), a_plan(steps=()), a_plan(checks=()), a_plan(suspend=True), a_plan(skip_analysis=True, steps=steps(100))]
)
answers = st.sampled_from(
    [Counts(total=None, bad=0.0), Counts(total=500.0, bad=0.0), Counts(total=500.0, bad=400.0), NoAnswer(because="x")]
)


@given(plan=plans, status=statuses, world=worlds, answer=answers, seconds=st.sampled_from([-120, 0, 60, 3600]))
def test_no_world_makes_it_raise_or_answer_nonsense(
    plan: Plan, status: Status, world: World, answer: Counts | NoAnswer, seconds: int
) -> None:
    now = at(seconds)
    world = replace(world, answers=dict.fromkeys(questions(plan, status, world, now), answer))

    decision = decide(plan=plan, status=status, world=world, now=now)

    assert decision.because
    assert decision.weight in (None, decision.status.weight)
    assert decision.again_in is None or decision.again_in >= timedelta(0)
    allowed_weight = decision.status.phase in (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING)
    assert allowed_weight or decision.weight in (None, 0) or status.weight == decision.weight


@given(
    plan=plans,
    status=statuses,
    world=worlds,
    target=targets,
    answer=answers,
    phase=st.sampled_from([Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING]),
    stage=st.sampled_from([Stage.PREPARING, Stage.STEPPING, Stage.RECOVERING]),
)
def test_no_end_of_a_rollout_rests_on_pods_alone_unless_it_asks_for_a_live_look(
    plan: Plan,
    status: Status,
    world: World,
    target: Target,
    answer: Counts | NoAnswer,
    phase: Phase,
    stage: Stage,
) -> None:
    status = replace(status, phase=phase, revision=NEW, memory=replace(status.memory, stage=stage))
    running = replace(target, revision=NEW, paused=True, stale=0)
    world = replace(world, target=running, leaving=False, namespace_terminating=False, faults=(), command=None)
    world = replace(world, answers=dict.fromkeys(questions(plan, status, world, at(60)), answer))
    decision = decide(plan=plan, status=status, world=world, now=at(60))
    if decision.status.phase is not Phase.ROLLING_BACK or decision.confirm:
        return

    well = replace(running, trouble=Trouble(), ready=max(running.ready, status.memory.candidate))
    other = decide(plan=plan, status=status, world=replace(world, target=well), now=at(60))

    assert other.status.phase is Phase.ROLLING_BACK


@given(plan=plans, status=statuses, world=worlds)
def test_an_unchanged_world_comes_to_an_answer_that_stays(plan: Plan, status: Status, world: World) -> None:
    world = replace(world, command=None)
    for _ in range(12):
        decision = decide(plan=plan, status=status, world=world, now=at(0))
        if decision.status == status:
            break
        status = decision.status
    else:
        raise AssertionError(f"it never settles: {status}")

    again = decide(plan=plan, status=status, world=world, now=at(0))
    assert (again.status, again.wanted, again.notices) == (status, decision.wanted, ())


@settings(max_examples=400)  # few worlds lead on without another phase, weight or step
@given(plan=plans, status=statuses, world=worlds, answer=answers)
def test_what_is_final_is_decided_again_from_its_own_status_and_nothing_more(
    plan: Plan, status: Status, world: World, answer: Counts | NoAnswer
) -> None:
    world = replace(world, answers=dict.fromkeys(questions(plan, status, world, at(0)), answer))
    decision = decide(plan=plan, status=status, world=world, now=at(0))
    if not decision.final or decision.drop_command:
        return
    world = replace(world, answers={})

    again = decide(plan=plan, status=decision.status, world=world, now=at(0))

    assert (again.status, again.weight, again.wanted) == (decision.status, decision.weight, decision.wanted)
    assert (again.notices, again.confirm) == ((), frozenset())


@given(plan=plans, status=statuses, world=worlds, part=st.floats(0.01, 0.99))
def test_until_it_asks_to_look_again_time_changes_nothing(
    plan: Plan, status: Status, world: World, part: float
) -> None:
    world = replace(world, command=None)
    for _ in range(12):
        decision = decide(plan=plan, status=status, world=world, now=at(0))
        status = decision.status
    wait = decision.again_in if decision.again_in is not None else timedelta(days=30)

    later = decide(plan=plan, status=status, world=world, now=at(0) + wait * part)

    assert (later.wanted, later.weight, later.status.phase) == (decision.wanted, decision.weight, status.phase)
