"""A small controller for the model cluster: it applies a Decision's effects one by one in the order of the real one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from canary.errors import Conflict
from canary.rollout.decide import decide
from canary.rollout.model import (
    Answer,
    ApexWanted,
    Decision,
    Plan,
    Question,
    Removal,
    Revision,
    ScalerWanted,
    Status,
    TargetWanted,
    World,
)
from canary.rollout.questions import questions
from tests.rollout.cluster import Cluster, Workload

Effect = Callable[[], None]
Oracle = Callable[[Question], Answer]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a controller read at one moment: enough to decide, and the versions for its writes."""

    status: Status
    world: World
    versions: Counter[str]
    now: datetime


def observe(plan: Plan, cluster: Cluster, oracle: Oracle) -> Seen:
    """Read all, and ask what is due."""
    world, status = cluster.world(), cluster.status
    answers = {question: oracle(question) for question in questions(plan, status, world, cluster.now)}
    return Seen(
        status=status, world=replace(world, answers=answers), versions=Counter(cluster.versions), now=cluster.now
    )


def choose(plan: Plan, seen: Seen) -> Decision:
    """Return the decision on what was read."""
    return decide(plan=plan, status=seen.status, world=seen.world, now=seen.now)


def effects(cluster: Cluster, seen: Seen, decision: Decision) -> Iterator[Effect]:
    """Return the writes of a decision in their order: status, then down before up; what is as wanted is not written."""
    if decision.status != seen.status:
        yield lambda: cluster.write("status", seen.versions["status"], lambda: _put_status(cluster, decision))
    yield from _until_target(cluster, seen, decision)
    yield from _of_target(cluster, seen, decision)
    yield from _weight(cluster, seen, decision, raising=True)
    if decision.drop_command:
        yield lambda: cluster.commanded(None)
    if decision.wanted.removal is Removal.EVERYTHING:
        yield lambda: _remove(cluster)


def _put_status(cluster: Cluster, decision: Decision) -> None:
    cluster.status = decision.status


def _until_target(cluster: Cluster, seen: Seen, decision: Decision) -> Iterator[Effect]:
    wanted, versions = decision.wanted, seen.versions
    if wanted.store is not None and wanted.store.key not in seen.world.stored:
        store = wanted.store
        yield lambda: _store(cluster, store)
    yield from _weight(cluster, seen, decision, raising=False)
    if wanted.canary_pin is not None and wanted.canary_pin != seen.world.canary_pin:
        pin = wanted.canary_pin
        yield lambda: cluster.write("service", versions["service"], lambda: setattr(cluster, "canary_pin", pin))
    primary, have = wanted.primary, seen.world.primary
    if primary is not None:
        size = primary.replicas if primary.replicas is not None else (have.replicas if have else 1)
        if have is None or (have.key, have.restarted_at, have.replicas) != (primary.key, primary.restarted_at, size):
            key, restarted = primary.key, primary.restarted_at
            yield lambda: cluster.write(
                "primary", versions["primary"], lambda: _put_primary(cluster, key, restarted, size)
            )
    if wanted.release_primary:
        yield lambda: cluster.write("primary", versions["primary"], lambda: setattr(cluster, "primary", None))
    if wanted.apex is not ApexWanted.LEAVE and (wanted.apex is ApexWanted.NARROW) != seen.world.apex.narrow:
        narrow = wanted.apex is ApexWanted.NARROW
        yield lambda: cluster.write("apex", versions["apex"], lambda: setattr(cluster, "narrow", narrow))
    scaler = seen.world.autoscaler
    if scaler is not None and wanted.scaler is not ScalerWanted.LEAVE:
        to_primary = wanted.scaler is ScalerWanted.PRIMARY
        if to_primary != scaler.at_primary:
            changed = replace(scaler, at_primary=to_primary)
            yield lambda: cluster.write("scaler", versions["scaler"], lambda: setattr(cluster, "autoscaler", changed))


def _of_target(cluster: Cluster, seen: Seen, decision: Decision) -> Iterator[Effect]:
    wanted, have = decision.wanted.target, seen.world.target
    if wanted is None or have is None:
        return
    replicas = have.replicas if wanted.replicas is None else wanted.replicas
    held = have.paused if wanted.held is None else wanted.held
    if (replicas, held) != (have.replicas, have.paused):
        change = TargetWanted(replicas=replicas, held=held)
        yield lambda: cluster.write("target", seen.versions["target"], lambda: _put_target(cluster, change))


def _weight(cluster: Cluster, seen: Seen, decision: Decision, *, raising: bool) -> Iterator[Effect]:
    weight, have = decision.weight, seen.world.split.weight
    if weight is None or weight == have or raising is not (have is not None and weight > have):
        return
    yield lambda: cluster.write("route", seen.versions["route"], lambda: _put_weight(cluster, weight))


def _put_weight(cluster: Cluster, weight: int) -> None:
    cluster.weight, cluster.accepted = weight, False


def _store(cluster: Cluster, revision: Revision) -> None:
    if cluster.target is None or cluster.target.revision.key != revision.key:
        raise Conflict("the template is another by now")
    cluster.stored.add(revision.key)


def _put_primary(cluster: Cluster, key: str, restarted_at: str, replicas: int) -> None:
    digest, _, config = key.partition("-")
    revision = Revision(digest=digest, config=config, restarted_at=restarted_at)
    if cluster.primary is None:
        cluster.primary = Workload(revision=revision, replicas=replicas)
    cluster.primary.revision = revision
    cluster.primary.replicas = replicas


def _put_target(cluster: Cluster, wanted: TargetWanted) -> None:
    target = cluster.target
    if target is None:
        raise Conflict("the Deployment is gone")
    target.replicas = wanted.replicas if wanted.replicas is not None else target.replicas
    target.paused = wanted.held if wanted.held is not None else target.paused
    target.generation += 1


def _remove(cluster: Cluster) -> None:
    cluster.primary, cluster.canary_pin, cluster.weight = None, None, None
    cluster.stored.clear()
    cluster.gone = cluster.leaving


def stamp(cluster: Cluster) -> None:
    """What a new leader does to fence off the one before."""
    for name in ("status", "route", "service", "target"):
        cluster.versions[name] += 1


def one_pass(plan: Plan, cluster: Cluster, oracle: Oracle, crash_after: int | None = None) -> Decision:
    """Run one pass; with `crash_after` only so many of its effects happen. A conflict ends the pass."""
    seen = observe(plan, cluster, oracle)
    decision = choose(plan, seen)
    for number, effect in enumerate(effects(cluster, seen, decision)):
        if crash_after is not None and number >= crash_after:
            break
        try:
            effect()
        except Conflict:
            break
    return decision
