"""The invariants of ROLLOUT section 2 as checks on the model cluster: of a decision, of an effect, of any moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from canary.rollout.model import Decision, Stage
from canary.rollout.phases import Phase, allowed
from canary.rollout.weights import capacity
from tests.rollout.actor import Seen
from tests.rollout.builders import a_plan
from tests.rollout.cluster import Cluster

TIMING = a_plan().timing
ROLLING = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING)


class Laws:
    """Watches one cluster. `let_through` are the revisions that passed or that a user let into service."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.let_through: set[str] = set()

    def of_decision(self, seen: Seen, decision: Decision) -> None:
        """Invariants 1 and 2, the table of transitions, elapsed times, and that a second answer is the same."""
        before, after = seen.status, decision.status
        assert allowed(before.phase, after.phase), f"{before.phase} -> {after.phase}: {decision.because}"
        assert 0 <= after.weight <= 100
        if after.weight > 0:
            assert after.phase in ROLLING
            assert after.revision is not None
            assert after.revision.key != after.last_failed or after.memory.retry == after.last_failed
            assert after.memory.hold
        if after.weight > before.weight:
            self._raised(seen, decision)
        if after.phase is Phase.PROMOTING and after.revision is not None:
            self.let_through.add(after.revision.key)
        assert decision.again_in is None or decision.again_in >= timedelta(0)
        assert decision.because
        assert "\n" not in decision.because
        assert len(after.history) <= 10

    def _raised(self, seen: Seen, decision: Decision) -> None:
        target, primary, after = seen.world.target, seen.world.primary, decision.status
        assert target is not None
        assert primary is not None
        assert after.revision is not None
        assert target.revision.key == after.revision.key
        assert target.paused
        assert seen.world.canary_pin == after.revision.pin
        assert target.ready >= capacity(primary.replicas, after.weight)
        assert after.revision.key in seen.world.stored

    @contextmanager
    def of_effect(self, seen: Seen, decision: Decision) -> Iterator[None]:
        """Invariants 3, 4 and 5: what one write did."""
        cluster = self.cluster
        target, primary = cluster.target, cluster.primary
        replicas = target.replicas if target else 0
        paused, pods = (target.paused, len(target.pods)) if target else (False, 0)
        pin, key, narrow = cluster.canary_pin, primary.revision.key if primary else None, cluster.narrow
        drained = self._drained()
        yield
        if target is not None and cluster.target is target:
            fewer = target.replicas < replicas or (paused and not target.paused and pods)
            if fewer:
                assert drained, f"pods taken away without a drain: {decision.because}"
                self._serves_without(seen, decision, narrow)
        if cluster.canary_pin != pin and pin is not None and pods:
            assert drained or cluster.weight is None, f"re-pinned without a drain: {decision.because}"
        if cluster.primary is not None and primary is cluster.primary and cluster.primary.revision.key != key:
            self._template(seen, decision)

    def _drained(self) -> bool:
        since = self.cluster.zero_since
        return since is not None and self.cluster.now - since >= TIMING.drain

    def _serves_without(self, seen: Seen, decision: Decision, narrow: bool) -> None:
        cluster = self.cluster
        assert cluster.primary_ready() > 0 or cluster.interrupted, (
            f"the user's pods go while nothing else serves: {decision.because}"
        )
        resting = seen.status.phase in (Phase.INITIALIZING, Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED)
        if resting:
            assert narrow
            assert cluster.only_since is not None
            assert cluster.now - cluster.only_since >= TIMING.settle + TIMING.drain

    def _template(self, seen: Seen, decision: Decision) -> None:
        primary, status = self.cluster.primary, decision.status
        assert primary is not None
        stable = status.stable.key if status.stable else ""
        if seen.status.phase in (None, Phase.INITIALIZING):
            assert primary.revision.key == stable
            assert not self.cluster.narrow
        else:
            assert primary.revision.key in self.let_through | {stable}

    def at_any_time(self) -> None:
        """Somebody serves at any time, and no failed revision gets requests."""
        cluster = self.cluster
        deleting = cluster.primary is not None and cluster.primary.deleting
        if cluster.primary_ready() > 0 and not deleting:
            cluster.interrupted = False
        if deleting and not (cluster.target and cluster.can_stand_in()):
            cluster.interrupted = True
        if cluster.narrow and not cluster.interrupted:
            assert cluster.primary_ready() > 0, "the Service is narrow and the primary has no ready pod"
        if cluster.weight:
            assert cluster.primary is not None or cluster.interrupted
            assert cluster.status.memory.stage is not Stage.LEAVING
