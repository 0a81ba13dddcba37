"""A small model of a cluster in virtual time: two Deployments, a Service, a route, stored templates.

It knows just enough of Kubernetes to show what a wrong order of writes costs: an unpaused Deployment rolls at once,
a paused one scales whatever ReplicaSet it has, and every write carries the version that was read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from canary.errors import Conflict
from canary.rollout.model import (
    Apex,
    Autoscaler,
    Command,
    CommandName,
    Fault,
    Primary,
    Revision,
    Stage,
    Status,
    Target,
    Trouble,
    World,
)
from canary.rollout.phases import Phase
from meshes.contract import Seen
from tests.rollout.builders import LONG_AGO, T0

STARTS_IN = timedelta(seconds=5)


@dataclass(kw_only=True)
class Pod:
    """One pod: which ReplicaSet's, with which config it started, since when it runs, whether it can become ready."""

    pin: str
    key: str
    born: datetime
    broken: bool = False

    def ready(self, now: datetime) -> bool:
        return not self.broken and now - self.born >= STARTS_IN


@dataclass(kw_only=True)
class Workload:
    """A Deployment with its pods."""

    revision: Revision
    replicas: int
    paused: bool = False
    generation: int = 1
    pods: list[Pod] = field(default_factory=list)
    sets: list[str] = field(default_factory=list)
    deleting: bool = False
    foreground: bool = False


def pin_of(revision: Revision) -> str:
    """Return the pod-template-hash of a template: config is no part of it, the restart annotation is."""
    return f"pin-{revision.digest}{revision.restarted_at}"


class Cluster:
    """What is true. Writes go through `write`, which checks the version that was read."""

    def __init__(self, revision: Revision, replicas: int = 4) -> None:
        self.now = T0
        self.status = Status()
        self.versions: Counter[str] = Counter()
        self.target: Workload | None = Workload(revision=revision, replicas=replicas)
        self.primary: Workload | None = None
        self.narrow = False
        self.only_since: datetime | None = None
        self.weight: int | None = None
        self.accepting = True
        self.accepted = False
        self.zero_since: datetime | None = None
        self.canary_pin: str | None = None
        self.stored: set[str] = set()
        self.autoscaler: Autoscaler | None = None
        self.command: Command | None = None
        self.commands = 0
        self.leaving = False
        self.faults: tuple[Fault, ...] = ()
        self.broken: set[str] = set()
        self.gone = False
        self.interrupted = False
        """Somebody deleted what serves: an outage is theirs until the primary serves again."""
        self.run()
        for pod in self.target.pods:
            pod.born = LONG_AGO
        self.run()

    # --- what Kubernetes does by itself

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.now += by
        self.run()

    def run(self) -> None:
        """Let the Deployment controller and the endpoints catch up."""
        if self.target is not None:
            self._run_target(self.target)
        if self.primary is not None:
            self._run_primary(self.primary)
        if self.accepting:
            self.accepted = True
        self.zero_since = (self.zero_since or self.now) if self.weight in (0, None) and self.accepted else None

    def _run_target(self, target: Workload) -> None:
        pin = pin_of(target.revision)
        if not target.paused:
            if pin not in target.sets:
                target.sets.append(pin)
            fresh = [pod for pod in target.pods if pod.pin == pin]
            enough = sum(pod.ready(self.now) for pod in fresh) >= target.replicas
            target.pods = fresh if enough else [*fresh, *(pod for pod in target.pods if pod.pin != pin)]
            self._scale(target, pin, len(fresh))
            if target.replicas == 0:
                target.pods = []
        elif target.sets:
            alive = {pod.pin for pod in target.pods}
            grown = pin if pin in target.sets else next(iter(alive), target.sets[-1])
            self._scale(target, grown, len(target.pods))

    def _scale(self, workload: Workload, pin: str, have: int) -> None:
        key = workload.revision.key
        for _ in range(workload.replicas - have):
            workload.pods.append(Pod(pin=pin, key=key, born=self.now, broken=key in self.broken))
        while len([pod for pod in workload.pods if pod.pin == pin]) > workload.replicas:
            workload.pods.remove(next(pod for pod in reversed(workload.pods) if pod.pin == pin))

    def _run_primary(self, primary: Workload) -> None:
        pin = pin_of(primary.revision) + primary.revision.config
        fresh = [pod for pod in primary.pods if pod.pin == pin]
        self._scale(primary, pin, len(fresh))
        fresh = [pod for pod in primary.pods if pod.pin == pin]
        if all(pod.ready(self.now) for pod in fresh):
            primary.pods = fresh

    def primary_ready(self) -> int:
        """Return how many pods of the primary are ready, of any template."""
        return sum(pod.ready(self.now) for pod in self.primary.pods) if self.primary else 0

    # --- what the controller sees

    def world(self) -> World:
        """Return what observation would say now."""
        only = self.narrow and self.primary_ready() > 0
        self.only_since = (self.only_since or self.now) if only else None
        return World(
            target=self._target_seen(),
            primary=self._primary_seen(),
            split=Seen(weight=self.weight, accepted=self.accepted),
            apex=Apex(exists=True, narrow=self.narrow, primary_only=self.narrow and self.primary_ready() > 0),
            canary_pin=self.canary_pin,
            stored=frozenset(self.stored),
            autoscaler=self.autoscaler,
            command=self.command,
            leaving=self.leaving,
            faults=self.faults,
        )

    def _target_seen(self) -> Target | None:
        target = self.target
        if target is None:
            return None
        pin = pin_of(target.revision)
        own = [pod for pod in target.pods if pod.pin == pin]
        status = self.status
        whole = status.phase in (None, Phase.INITIALIZING) or status.memory.stage is Stage.LEAVING
        counted = pin if whole or status.revision is None else status.revision.pin
        keys = {pod.key for pod in target.pods if whole} | {status.revision.key if status.revision else ""}
        ready = [pod for pod in target.pods if pod.pin == counted and pod.key in keys and pod.ready(self.now)]
        return Target(
            generation=target.generation,
            revision=replace(target.revision, pin=pin if pin in target.sets else ""),
            replicas=target.replicas,
            paused=target.paused,
            pods=len(target.pods),
            other_pods=len(target.pods) - len(own),
            ready=len(ready) if whole or counted == self.canary_pin else 0,
            settled=target.paused or (len(own) == len(target.pods) == target.replicas),
            progress_deadline=timedelta(minutes=10),
            trouble=self._trouble(target),
        )

    def _trouble(self, target: Workload) -> Trouble:
        crashed = any(pod.broken and self.now - pod.born > timedelta(seconds=30) for pod in target.pods)
        return Trouble(restarts=3, because="container app: CrashLoopBackOff") if crashed else Trouble()

    def _primary_seen(self) -> Primary | None:
        primary = self.primary
        if primary is None:
            return None
        pin = pin_of(primary.revision) + primary.revision.config
        ready = [pod for pod in primary.pods if pod.pin == pin and pod.ready(self.now)]
        rolled = len(ready) == primary.replicas == len(primary.pods)
        return Primary(
            key=primary.revision.key,
            restarted_at=primary.revision.restarted_at,
            replicas=primary.replicas,
            ready=len(ready),
            rolled_out=rolled,
            deleting=primary.deleting,
            foreground=primary.foreground,
        )

    # --- what anybody writes

    def write(self, name: str, read: int, change: Callable[[], None]) -> None:
        """Carry out a write if the object still has the version that was read, else raise Conflict."""
        if self.versions[name] != read:
            raise Conflict(f"{name} was changed since it was read")
        self.versions[name] += 1
        change()
        self.run()

    def push(self, revision: Revision, *, broken: bool = False) -> None:
        """Write another template into the user's Deployment."""
        if self.target is not None:
            if broken:
                self.broken.add(revision.key)
            same = pin_of(revision) == pin_of(self.target.revision)
            self.target.revision = replace(revision, pin="")
            self.target.generation += 0 if same else 1
            self.versions["target"] += 1
            self.run()

    def scaled_by_hand(self, replicas: int) -> None:
        """Set replicas on the user's Deployment, as somebody without the controller does."""
        if self.target is not None and self.target.replicas != replicas:
            self._by_hand(self.target)
            self.target.replicas = replicas
            self.run()

    def unpaused_by_hand(self) -> None:
        """Drop the hold, as a PUT without `paused` does."""
        if self.target is not None:
            self._by_hand(self.target)
            self.target.paused = False
            self.run()

    def _by_hand(self, target: Workload) -> None:
        target.generation += 1
        self.versions["target"] += 1

    def recreate(self, revision: Revision) -> None:
        """Make the user's Deployment again under its name, as `kubectl apply` does."""
        self.target = Workload(revision=revision, replicas=2)
        self.versions["target"] += 1
        self.run()

    def delete_primary(self, *, foreground: bool) -> None:
        """Delete `-primary`: in foreground its pods go at once, in background the finalizer keeps it."""
        if self.primary is not None:
            self.primary.deleting, self.primary.foreground = True, foreground
            self.versions["primary"] += 1
            self.interrupted = self.interrupted or foreground or not self.can_stand_in()
            if foreground:
                self.primary.pods, self.primary.replicas = [], 0

    def can_stand_in(self) -> bool:
        """Return whether the candidate could serve in place of a deleted `-primary`."""
        target, stable = self.target, self.status.stable
        rested = self.status.phase is not None and (
            self.status.phase.at_rest or self.status.memory.stage is Stage.REPLACING
        )
        return target is not None and stable is not None and rested and target.revision.key == stable.key

    def heal(self) -> None:
        """Let every image start after all."""
        self.broken.clear()
        for pod in (*(self.target.pods if self.target else ()), *(self.primary.pods if self.primary else ())):
            pod.broken = False

    def commanded(self, name: CommandName | None) -> None:
        """Set or remove the command's annotation."""
        self.commands += 1
        self.command = Command(name=name, text=str(name), by="ann", id=str(self.commands)) if name else None
