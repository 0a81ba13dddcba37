"""The figures of the design, measured on the real rules: how often a good revision passes, how soon a bad one goes.

`pytest -s` prints the table.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import timedelta

import pytest

from canary.rollout.model import Outcome
from tests.rollout.actor import one_pass
from tests.rollout.builders import NEW, OLD, a_plan, at_rest
from tests.rollout.cluster import Cluster, Workload
from tests.rollout.traffic import Traffic

RUNS = 60
LOOKS_AGAIN = 15
"""Seconds; also when only an event could change anything, as nothing here is an event."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one rollout ended: seconds from the first weight's taking effect to weight 0, and bad requests in them."""

    outcome: Outcome
    seconds: float
    bad: int


def rested_cluster() -> Cluster:
    """Return a cluster in which OLD has served at the primary for long."""
    cluster = Cluster(OLD)
    assert cluster.target is not None
    cluster.target.replicas = 0
    cluster.primary = Workload(revision=OLD, replicas=4)
    cluster.narrow, cluster.weight, cluster.canary_pin = True, 0, OLD.pin
    cluster.stored.add(OLD.key)
    cluster.status = at_rest()
    cluster.advance(timedelta(minutes=10))
    return cluster


def run(seed: int, rate: float, canary_bad: float) -> Ended:
    """Push NEW into traffic and let the rollout end."""
    cluster, plan = rested_cluster(), a_plan()
    traffic = Traffic(cluster, seed, rate, canary_bad)
    cluster.push(NEW)
    effective, zero = None, None
    for _ in range(5000):
        written = sum(cluster.versions.values())
        decision = one_pass(plan, cluster, traffic.answer)
        status = cluster.status
        effective = effective or (status.memory.effective_at if status.weight else None)
        if effective and zero is None and cluster.weight == 0:
            zero = cluster.now - effective
        if status.memory.outcome is not None and effective and zero is not None:
            bad = traffic.canary_bad(effective)
            return Ended(outcome=status.memory.outcome, seconds=zero.total_seconds(), bad=bad)
        if sum(cluster.versions.values()) == written:
            wait = decision.again_in.total_seconds() if decision.again_in is not None else LOOKS_AGAIN
            traffic.flow(1 if _starting(cluster) else max(1, min(LOOKS_AGAIN, round(wait))))
        else:
            cluster.run()
    raise AssertionError(f"no end: {cluster.status}")


def _starting(cluster: Cluster) -> bool:
    workloads = [one for one in (cluster.target, cluster.primary) if one is not None]
    return any(not pod.ready(cluster.now) for one in workloads for pod in one.pods)


def summed_up(rate: float, canary_bad: float) -> tuple[float, float, float]:
    """Return the share promoted, and the medians of seconds and of bad requests; print them as a row."""
    ended = [run(seed, rate, canary_bad) for seed in range(RUNS)]
    promoted = sum(one.outcome is Outcome.PROMOTED for one in ended) / RUNS
    seconds = statistics.median(one.seconds for one in ended)
    bad = statistics.median(one.bad for one in ended)
    ends = f"promoted {promoted:>6.1%}, weight 0 after {seconds:>5g} s, {bad:>4g} bad"
    print(f"{rate:>6g} req/s {canary_bad:>7.1%} bad: {ends}")  # noqa: T201 (the table is what `-s` is for)
    return promoted, seconds, bad


@pytest.mark.parametrize("rate", [0.2, 1, 5, 50])
def test_a_healthy_canary_is_promoted_at_any_traffic(rate: float) -> None:
    promoted, _, _ = summed_up(rate, 0.002)

    assert promoted >= 0.98


@pytest.mark.parametrize(
    ("rate", "canary_bad", "least_s", "most_s", "least_bad", "most_bad"),
    [
        pytest.param(50, 0.2, 30, 45, 12, 25, id="a fifth bad at 50 req/s"),
        pytest.param(50, 1.0, 30, 30, 60, 90, id="all bad at 50 req/s"),
        pytest.param(1, 1.0, 180, 300, 8, 15, id="all bad at 1 req/s"),
    ],
)
def test_a_bad_canary_has_no_weight_soon(
    rate: float, canary_bad: float, least_s: float, most_s: float, least_bad: float, most_bad: float
) -> None:
    promoted, seconds, bad = summed_up(rate, canary_bad)

    assert promoted == 0
    assert least_s <= seconds <= most_s
    assert least_bad <= bad <= most_bad
