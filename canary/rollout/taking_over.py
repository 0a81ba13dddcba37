"""What can come between in Promoting: the canary fails, the primary is late, the pods go away."""

from __future__ import annotations

from canary.rollout.evaluating import judge
from canary.rollout.losses import lowered
from canary.rollout.model import Decision, Side
from canary.rollout.promoting import finalize, primary_took_over, progressed, waiting
from canary.rollout.situation import Pass, remember, with_weight
from canary.rollout.stepping import pods_trouble, roll_back
from canary.rollout.values import replace
from canary.rollout.wanted import answer, confirmed, kept_target


def promoting(it: Pass) -> Decision:
    """Return what follows in Promoting."""
    judged = judge(it)
    it = it.on(lowered(it.on(judged.status)))
    if not it.target.paused:
        it = it.on(with_weight(it.status, 0))
    if it.plan.suspend:
        return answer(it, it.status, f"Suspended while promoting, at {it.status.weight} %", kept_target(it))
    if it.status.weight > 0 and judged.roll_back:
        return roll_back(it, judged.roll_back, judged.notices)
    trouble = pods_trouble(it) if it.world.target is not None else ""
    if trouble:
        return confirmed(roll_back(it, trouble), Side.CANARY)
    if primary_took_over(it):
        return finalize(it)
    it = it.on(progressed(it))
    if it.passed(it.memory.waiting_since, it.takeover_deadline):
        if not it.apex.leads_nowhere:
            return confirmed(roll_back(it, _late(it), judged.notices), Side.PRIMARY)
        # With weight 0 all requests would go to nobody. Its pods are counted anew once they are back.
        it = it.on(remember(it.status, waiting_since=it.now, primary_ready=0))
    decision = waiting(it)
    return replace(decision, notices=(*judged.notices, *decision.notices))


def _late(it: Pass) -> str:
    ready = it.primary.ready if it.primary else 0
    late = f"only {ready} of {it.primary_replicas} pods of the primary were ready with it"
    reason = f" ({it.primary.trouble.because})" if it.primary and it.primary.trouble.because else ""
    return f"{late} within {it.takeover_deadline.total_seconds():g} s{reason}"
