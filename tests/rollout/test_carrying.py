"""Which weight the pods carry, and what the split that is read back and edited steps do to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.rollout.model import Counts, TargetWanted, World
from meshes.contract import Seen
from tests.rollout.builders import (
    NEW,
    a_plan,
    a_primary,
    a_target,
    answered,
    decided,
    steps,
    under_test,
    world_under_test,
)

GOOD = Counts(total=1000.0, bad=0.0)
WORLD = world_under_test()
LAST = under_test(step=3, weight=50, memory_step_weight=50, memory_candidate=2, memory_ready=2)


def held(replicas: int) -> TargetWanted:
    return TargetWanted(replicas=replicas, held=True)


@pytest.mark.parametrize(
    ("world", "weight"),
    [
        pytest.param(world_under_test(weight=50, pods=2), 50, id="all are ready"),
        pytest.param(
            world_under_test(weight=50, target=a_target(NEW, replicas=2, paused=True, pods=2, ready=1)),
            25,
            id="one of two is lost",
        ),
        pytest.param(
            world_under_test(weight=50, target=a_target(NEW, replicas=2, paused=True, pods=2, ready=0)),
            0,
            id="both are",
        ),
        pytest.param(
            world_under_test(weight=50, pods=2, primary=a_primary(replicas=10, ready=10)), 50, id="the primary grew"
        ),
        pytest.param(world_under_test(weight=50, target=None), 0, id="the Deployment is gone"),
        pytest.param(
            world_under_test(weight=50, target=a_target(NEW, replicas=2, pods=2, ready=2)),
            0,
            id="a PUT dropped the hold",
        ),
    ],
)
def test_the_weight_falls_with_the_candidates_own_pods(world: World, weight: int) -> None:
    assert decided(LAST, world).weight == weight


def test_when_the_primary_grows_the_candidate_follows() -> None:
    decision = decided(LAST, world_under_test(weight=50, pods=2, primary=a_primary(replicas=10, ready=10)))

    assert decision.wanted.target == held(5)


def test_the_candidate_never_shrinks_while_it_carries_a_weight() -> None:
    decision = decided(LAST, world_under_test(weight=50, pods=2, primary=a_primary(replicas=1, ready=1)))

    assert decision.wanted.target == held(2)


def test_a_higher_weight_waits_for_the_pods_it_needs() -> None:
    status = under_test(step=2, weight=25, memory_step_weight=25)

    waiting = answered(status, world_under_test(weight=25), GOOD, GOOD)
    raised = decided(waiting.status, world_under_test(weight=25, pods=2), seconds=70)

    assert (waiting.status.step, waiting.weight, waiting.wanted.target) == (3, 25, held(2))
    assert (raised.status.step, raised.weight) == (3, 50)


@pytest.mark.parametrize(
    "split",
    [
        pytest.param(Seen(weight=10, accepted=True), id="another split"),
        pytest.param(Seen(weight=5, accepted=False), id="not accepted"),
        pytest.param(Seen(weight=None, accepted=False), id="no route"),
    ],
)
def test_a_split_that_is_not_what_was_wanted_has_not_taken_effect(split: Seen) -> None:
    decision = decided(under_test(), replace(WORLD, split=split))

    assert (decision.weight, decision.status.memory.effective_at, decision.status.memory.weight_at) == (5, None, None)


@pytest.mark.parametrize(
    ("weights", "step", "weight"),
    [
        pytest.param((20, 60), 0, 20, id="on to the first not below"),
        pytest.param((1, 5, 50), 1, 5, id="the same weight at another place"),
        pytest.param((1, 2), 1, 5, id="all are below: the present one is the last"),
    ],
)
def test_edited_steps(weights: tuple[int, ...], step: int, weight: int) -> None:
    decision = decided(under_test(), world_under_test(pods=4), a_plan(steps=steps(*weights)))

    assert (decision.status.step, decision.weight) == (step, weight)
