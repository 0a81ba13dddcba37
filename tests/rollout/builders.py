"""Makes plans, statuses and worlds for the tests of the rules: each with sensible values, each field can be given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from canary.rollout.decide import decide
from canary.rollout.model import (
    Answer,
    Apex,
    Builtin,
    Check,
    Counts,
    Decision,
    Memory,
    NoData,
    Plan,
    Primary,
    Question,
    Revision,
    ServicePlan,
    Side,
    Stage,
    Status,
    Step,
    Target,
    TargetWanted,
    TrackConfig,
    World,
)
from canary.rollout.phases import Phase
from canary.rollout.questions import questions
from meshes.contract import Seen

T0 = datetime(2030, 1, 1, tzinfo=UTC)
LONG_AGO = T0 - timedelta(hours=1)
SUCCESS = Check(name="success-rate", builtin=Builtin.SUCCESS_RATE, limit=99)
OLD = Revision(digest="old", pin="pin-old", image="app:1")
NEW = Revision(digest="new", pin="pin-new", image="app:2")
NEWER = Revision(digest="newer", pin="pin-newer", image="app:3")


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after the start of the test."""
    return T0 + timedelta(seconds=seconds)


def steps(*weights: int, pause_at: int | None = None) -> tuple[Step, ...]:
    return tuple(Step(weight=weight, pause=weight == pause_at) for weight in weights)


def a_plan(**changes: Any) -> Plan:
    plan = Plan(
        namespace="shop",
        name="checkout",
        target="checkout",
        mesh="istio",
        service=ServicePlan(name="checkout"),
        steps=steps(5, 10, 25, 50),
        interval=timedelta(minutes=1),
        max_failures=3,
        min_requests=10,
        no_data_timeout=timedelta(minutes=10),
        no_data=NoData.ROLLBACK,
        checks=(SUCCESS,),
        progress_deadline=None,
        replicas=None,
        track_config=TrackConfig.CONFIG_MAPS,
    )
    return replace(plan, **changes)


def a_target(revision: Revision = OLD, **changes: Any) -> Target:
    target = Target(
        generation=1,
        revision=revision,
        replicas=0,
        paused=False,
        pods=0,
        other_pods=0,
        ready=0,
        settled=True,
        progress_deadline=timedelta(minutes=10),
    )
    return replace(target, **changes)


def a_primary(revision: Revision = OLD, **changes: Any) -> Primary:
    primary = Primary(key=revision.key, restarted_at=revision.restarted_at, replicas=4, ready=4, rolled_out=True)
    return replace(primary, **changes)


def a_world(**changes: Any) -> World:
    """A world at rest: the primary serves OLD at 4 replicas, the candidate is at 0."""
    world = World(
        target=a_target(),
        primary=a_primary(),
        split=Seen(weight=0, accepted=True),
        apex=Apex(exists=True, narrow=True, primary_only=True),
        canary_pin=OLD.pin,
        stored=frozenset({OLD.key}),
    )
    return replace(world, **changes)


def at_rest(phase: Phase = Phase.SUCCEEDED, **changes: Any) -> Status:
    """A status at rest whose stable revision is OLD, settled long ago; `memory_*` are fields of its memory."""
    return _with(Status(phase=phase, stable=OLD, memory=Memory(size=4)), changes)


def under_test(phase: Phase = Phase.PROGRESSING, **changes: Any) -> Status:
    """A status in which NEW carries the first step's weight, 5 %, which took effect at T0."""
    memory = Memory(
        stage=Stage.STEPPING,
        size=4,
        hold=True,
        candidate=1,
        ready=1,
        ready_at=LONG_AGO,
        weight_at=at(-10),
        effective_at=T0,
        step_weight=5,
    )
    status = Status(
        phase=phase,
        stable=OLD,
        revision=NEW,
        step=0,
        weight=5,
        highest_weight=5,
        started_at=at(-60),
        memory=memory,
    )
    return _with(status, changes)


def _with(status: Status, changes: dict[str, Any]) -> Status:
    own = {name: value for name, value in changes.items() if not name.startswith("memory_")}
    memory = {name.removeprefix("memory_"): value for name, value in changes.items() if name.startswith("memory_")}
    settled = {"narrowed_at": LONG_AGO} | ({} if status.memory.weight_at else {"weight_at": LONG_AGO})
    return replace(status, memory=replace(status.memory, **(settled | memory)), **own)


def world_under_test(weight: int = 5, pods: int = 1, revision: Revision = NEW, **changes: Any) -> World:
    """A world in which NEW is held with ready pods and the mesh has accepted `weight`."""
    target = a_target(revision, replicas=pods, paused=True, pods=pods, ready=pods, generation=2)
    return a_world(
        **{
            "target": target,
            "split": Seen(weight=weight, accepted=True),
            "canary_pin": NEW.pin,
            "stored": frozenset({OLD.key, NEW.key}),
            **changes,
        }
    )


def asked(plan: Plan, status: Status, world: World, now: datetime, **sides: Answer) -> World:
    """Return the world with every open question answered; `canary` and `primary` are the answers of each side."""
    good = Counts(total=1000.0, bad=0.0)
    answers: dict[Question, Answer] = {}
    for question in questions(plan, status, world, now):
        answers[question] = sides.get("canary" if question.side is Side.CANARY else "primary", good)
    return replace(world, answers=answers)


@dataclass(frozen=True, kw_only=True)
class Told:
    """The parts of a Decision that a table compares."""

    phase: Phase | None
    stage: Stage
    weight: int | None
    target: TargetWanted | None
    reasons: tuple[str, ...]


def decided(status: Status, world: World, plan: Plan | None = None, seconds: float = 0) -> Decision:
    """Return the decision so many seconds after the start of the test."""
    return decide(plan=plan or a_plan(), status=status, world=world, now=at(seconds))


def told(decision: Decision) -> Told:
    """Return what a decision says, without the status' details."""
    return Told(
        phase=decision.status.phase,
        stage=decision.status.memory.stage,
        weight=decision.weight,
        target=decision.wanted.target,
        reasons=tuple(notice.reason for notice in decision.notices),
    )


def answered(
    status: Status, world: World, canary: Answer, primary: Answer, plan: Plan | None = None, seconds: float = 60
) -> Decision:
    """Return the decision on these answers of each side to all that is asked at that time."""
    plan = plan or a_plan()
    return decided(status, asked(plan, status, world, at(seconds), canary=canary, primary=primary), plan, seconds)
