"""One pass over one canary: observe, decide, write the status, act, tell.

The status is written by compare-and-swap before anything else moves, so whoever takes over after a crash knows what
was under way. Not its job: deciding (canary.rollout), what a write looks like (act), when a pass runs (queue).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from canary.controller import lines
from canary.controller.act import Act
from canary.controller.again import at_latest, earlier, only_tells, until_calm, would_find_nothing
from canary.controller.answering import drop_command, is_answered_now
from canary.controller.asking import Errand, moment_of
from canary.controller.config import WHILE_FILLING
from canary.controller.confirm import look_again
from canary.controller.drift import Drift
from canary.controller.due import Key
from canary.controller.haste import Haste
from canary.controller.jumps import Jumps
from canary.controller.measure import Measurement
from canary.controller.memo import Memo
from canary.controller.merge import exact
from canary.controller.moving import give_back, has_moved
from canary.controller.names import resource_version, target_of
from canary.controller.newcomers import SOON, Newcomers
from canary.controller.observe import Observation, observe, subjects
from canary.controller.plans import InForce, Plans
from canary.controller.pods import PullErrors
from canary.controller.shim import annotation_faults
from canary.controller.sides import Sight
from canary.controller.tell import About
from canary.controller.tools import Tools
from canary.errors import CanaryError, ConfigError, Unavailable
from canary.ports import CANARY, DEPLOYMENT, ref_of
from canary.rollout.decide import decide
from canary.rollout.model import Answer, Decision, Fault, Notice, Plan, Question, Side, Status
from canary.rollout.questions import questions
from canary.rollout.situation import Pass
from canary.rollout.values import replace
from canary.spec.status import status_from_json, status_to_json, storable
from meshes.contract import Manifest, ObjectRef

WHILE_ASKING = timedelta(seconds=1)
"""How long a pass that waits for answers waits at least before it looks again; the answers wake it before."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """What one pass has found so far."""

    wanted: InForce
    status: Status
    sight: Sight
    seen: Observation

    @property
    def plan(self) -> Plan:
        """What is worked by."""
        return self.wanted.plan


class Reconciler:
    """Makes passes. Between passes it remembers only what saves work or guards writes, nothing that a rollout needs."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._wanted = Plans(tools.timing, tools.default_mesh, tools.mesh_named)
        self._written: dict[Key, Manifest] = {}
        self._epochs: dict[Key, str] = {}
        self._serial = itertools.count(1)
        self._pull_errors: dict[Key, PullErrors] = {}
        self._unread: dict[Key, str] = {}
        self._drifts: dict[Key, Drift] = {}
        self._newcomers, self._jumps = Newcomers(tools.clock), Jumps(tools.clock)
        self._statuses = Memo(status_from_json)

    async def __call__(self, key: Key) -> timedelta | None:
        """Make one pass; return when to look again without an event, None for never.

        Raises what the cluster raises (the queue tries again), after which nothing half-decided is remembered.
        """
        canary = self._tools.cluster.get(ObjectRef(CANARY, *key))
        if canary is None:
            for memory in (self._written, self._epochs, self._pull_errors, self._unread, self._drifts):
                memory.pop(key, None)
            self._tools.asker.forget(key)
            self._tools.witness.gone(key)
            self._tools.configs.forget(key)
            self._tools.teller.forget(*key)
            self._tools.echoes.forget(key)
            self._wanted.forget(key)
            self._newcomers.forget(key)
            return None
        with lines.of_pass(key, next(self._serial)):
            try:
                return await self._pass(key, canary)
            except Unavailable as failure:
                if failure.outcome_unknown:
                    self._epochs.pop(key, None)  # what is out there is not known: stamp before the next write
                raise
            finally:
                self._tools.echoes.ended(key)

    async def _pass(self, key: Key, canary: Manifest) -> timedelta | None:
        try:
            status = self._statuses(canary.get("status") or {}, of=key)
        except ConfigError as error:
            self._unreadable(key, canary, error)
            lines.reconciled(None, None, str(error))
            return None
        with lines.of_revision(status):
            return await self._follow(key, canary, self._look(key, canary, status))

    async def _follow(self, key: Key, canary: Manifest, found: _Pass) -> timedelta | None:
        """Decide on what was found, and carry it out."""
        status = found.status
        self._tools.witness.seen(key, status, found.plan.checks)
        if await self._moved(found, canary):
            lines.reconciled(status, status, "The spec names other objects: the old route was given back first")
            return timedelta(0)
        found, decision = await self._decide(key, canary, found)
        if found.sight.config.filling:
            lines.reconciled(status, status, "The caches of its configuration are being filled")
            return WHILE_FILLING
        return await self._carry_out(key, canary, found, decision)

    async def _decide(self, key: Key, canary: Manifest, found: _Pass) -> tuple[_Pass, Decision]:
        """Decide, and once more on what the API server itself says where an end rests on what caches say.

        Raises what the cluster raises when it cannot be asked: nothing was written, the split stays.
        """
        answers = {} if found.sight.config.filling else self._answers(key, found)
        looked: frozenset[Side] = frozenset()
        while True:
            found = replace(found, seen=replace(found.seen, world=replace(found.seen.world, answers=answers)))
            decision = decide(plan=found.plan, status=found.status, world=found.seen.world, now=found.sight.now)
            missing = decision.confirm - looked
            if found.sight.config.filling or not missing:
                return found, decision
            for side in sorted(missing):
                await look_again(self._tools.cluster, found.plan, found.status, side)
            looked |= missing
            found = self._look(key, canary, found.status)

    async def _carry_out(self, key: Key, canary: Manifest, found: _Pass, decision: Decision) -> timedelta | None:
        """Write the status, then all else that was decided; return when to look again."""
        plan, status, seen = found.plan, found.status, found.seen
        decision = replace(decision, status=self._tools.teller.remember(status, decision, plan))
        decision = replace(decision, status=self._fenced(key, canary, found.wanted.noted(decision.status)))
        if (anew := await self._lets_others_go_first(key, found, decision)) is not None:
            return anew
        written = await self._write_status(key, canary, status, decision.status)
        self._tools.witness.seen(key, decision.status, plan.checks)
        it = Pass(plan=plan, status=decision.status, world=seen.world, now=found.sight.now)
        self._tools.teller.post(it, status, decision.notices, canary["metadata"]["uid"])
        mesh, drift = found.wanted.mesh, self._drifts.setdefault(key, Drift(self._tools.clock))
        act = Act(cluster=self._tools.cluster, mesh=mesh, seen=seen, decision=decision, canary=written, drift=drift)
        act.give_way = lambda: self._tools.turns.give_way(key, Haste.FIRST)
        try:
            await act.run()
        except CanaryError as failure:
            self._tools.configs.ended(key, failure)
            await self._announce(act, it, at_once=False)  # the status says it: nobody would tell it later
            raise
        self._tools.configs.ended(key, None)
        answered = is_answered_now(status, decision, self._tools.turns.busy)
        await self._announce(act, it, at_once=answered)
        if answered:
            await drop_command(act)
        lines.reconciled(status, decision.status, decision.because)
        in_force = self._wanted.in_force(key, written, decision.status)
        if not act.hands.wrote and in_force.plan == plan and would_find_nothing(status, decision, it):
            self._tools.echoes.needless(key)
        if decision.drop_command and not answered:
            return timedelta(0)
        if decision.again_in is not None and decision.status == status and self._tools.asker.is_out(key):
            return max(decision.again_in, WHILE_ASKING)
        wait = earlier(decision.again_in, until_calm(drift, seen), seen.config.again_in)
        return earlier(wait, at_latest(decision.status))

    async def _lets_others_go_first(self, key: Key, found: _Pass, decision: Decision) -> timedelta | None:
        """Wait for those that are in more of a hurry; return when to look anew where nothing is to be written now."""
        status, seen, turns = found.status, found.seen, self._tools.turns
        if only_tells(status, decision, seen) and await turns.give_way(key) and turns.is_outdated(key):
            lines.reconciled(status, status, "Something changed while others went first: it is looked at anew")
            return timedelta(0)
        if at_latest(decision.status) is not None or not self._newcomers.is_awaited(key, seen.world.target):
            return None
        turns.does_not_count(key)  # a rollout that begins once its ReplicaSet is there does not come last
        lines.reconciled(status, status, "The newest template has no ReplicaSet yet")
        return SOON

    def _answers(self, key: Key, found: _Pass) -> Mapping[Question, Answer]:
        """Return the answers that have come; when some are due and none are there, send for them."""
        moment = moment_of(found.status)
        answers = self._tools.asker.take(key, moment)
        asked = questions(found.plan, found.status, found.seen.world, found.sight.now)
        due = any(question not in answers for question in asked)
        sides = subjects(found.seen, found.plan, found.status) if due else {}
        if sides:
            tools = self._tools
            measurement = Measurement(
                plan=found.plan, mesh=found.wanted.mesh, metrics=tools.metrics, grouper=tools.grouper, subjects=sides
            )
            self._tools.asker.send(key, Errand(asked=asked, measurement=measurement, moment=moment))
        return answers

    def _unreadable(self, key: Key, canary: Manifest, error: ConfigError) -> None:
        """Say, once, that the status cannot be read. The split that is there is held: nothing may be guessed."""
        self._tools.witness.seen(key, None, ())
        if self._unread.get(key) != str(error):
            self._unread[key] = str(error)
            log.error("status_not_read", error=str(error))
            notice = Notice(reason="StatusUnreadable", text=str(error), warning=True)
            self._tools.announcer.send([notice], About(canary=canary, target=None))

    def _look(self, key: Key, canary: Manifest, status: Status) -> _Pass:
        """Return what is wanted, remembered and true now, as far as the caches know."""
        target = self._tools.cluster.get(ObjectRef(DEPLOYMENT, key[0], target_of(canary)))
        faults = (*annotation_faults(target, canary), *(self._drifts[key].faults() if key in self._drifts else ()))
        wanted = self._wanted.in_force(key, canary, status)
        if wanted.fault:
            faults = (*faults, Fault(reason="InvalidSpec", message=wanted.fault))
        sight = Sight(
            cluster=self._tools.cluster,
            mesh=wanted.mesh,
            plan=wanted.plan,
            status=status,
            canary=canary,
            now=self._jumps.now(),
            pull_errors=self._pull_errors.setdefault(key, PullErrors()),
            faults=faults,
            config=self._tools.configs.look(key, wanted.plan, target),
            jumped_at=self._jumps.latest,
        )
        seen = observe(sight)
        if not wanted.known:  # what else was found is about objects that nobody asked for
            seen = replace(seen, world=replace(seen.world, faults=faults, spec_known=False))
        return _Pass(wanted=wanted, status=status, sight=sight, seen=seen)

    async def _moved(self, found: _Pass, canary: Manifest) -> bool:
        """At rest, give the old route back when the spec names other objects; return whether there was one."""
        before = found.status.memory.objects
        nothing = found.sight.config.filling or not found.wanted.known
        if nothing or before is None or not has_moved(found.plan, found.status):
            return False
        mesh = self._tools.mesh_named(before.mesh)
        seen = observe(replace(found.sight, mesh=mesh, plan=found.plan.with_objects(before)))
        new = found.seen.route
        if seen.route is None or (new is not None and mesh.route_ref(seen.route) == found.wanted.mesh.route_ref(new)):
            return False
        return await give_back(self._tools.cluster, mesh, seen, canary=canary, status=found.status)

    def _fenced(self, key: Key, canary: Manifest, status: Status) -> Status:
        """Return the status with the epoch under which its objects are to be stamped (ROLLOUT invariant 6).

        A new one is taken by a new leader, for a status that this process did not write, and after a write whose
        outcome is unknown. At rest nothing is stamped.
        """
        if status.phase is None or status.phase.at_rest:
            return status
        if key not in self._epochs or canary.get("status") != self._written.get(key):
            self._epochs[key] = f"{self._tools.epoch}-{next(self._serial)}"
        return replace(status, memory=replace(status.memory, epoch=self._epochs[key]))

    async def _write_status(self, key: Key, canary: Manifest, before: Status, after: Status) -> Manifest:
        if after == before:
            return canary
        wanted = status_to_json(after)
        patch = exact(canary.get("status") or {}, wanted)
        if not patch:
            return canary
        self._tools.echoes.expect(key, canary, wanted)
        written = await self._tools.cluster.patch(
            ref_of(canary), {"status": patch}, resource_version=resource_version(canary), subresource="status"
        )
        self._written[key] = written.get("status") or {}
        self._know(key, wanted, after)
        return written

    def _know(self, key: Key, wanted: Manifest, status: Status) -> None:
        """Remember what the status that is stored now says, unless another writer's is there already."""
        stored = (self._tools.cluster.get(ObjectRef(CANARY, *key)) or {}).get("status") or {}
        if not exact(stored, wanted):
            self._statuses.know(stored, storable(status), of=key)

    async def _announce(self, act: Act, it: Pass, *, at_once: bool) -> None:
        trouble = self._tools.teller.also(it, act.hands.repaired, act.canary["metadata"]["uid"])
        notices = (*act.decision.notices, *act.hands.repaired, *trouble)
        about = About(canary=act.canary, target=act.target)
        await self._tools.announcer.tell(notices, about, at_once=at_once)
