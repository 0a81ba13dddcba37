"""What must be looked at live before it ends a rollout, and what must not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.rollout.model import Command, CommandName, Counts, Side, Stage, Status, Trouble, World
from canary.rollout.phases import Phase
from tests.rollout.builders import NEW, a_target, a_world, answered, at, at_rest, decided, under_test, world_under_test
from tests.rollout.test_ending import GOOD, PROMOTING, rolling


def test_progress_that_is_seen_at_the_deadline_only_renews_it_too() -> None:
    assert decided(PROMOTING, rolling(2), seconds=600).status.phase is Phase.PROMOTING


CRASHED = a_target(NEW, replicas=2, paused=True, pods=2, ready=2, trouble=Trouble(restarts=3))
LATE = a_target(NEW, replicas=1, paused=True, pods=1, ready=0)
AWAITED = under_test(weight=0, memory_stage=Stage.PREPARING, memory_ready_at=None, memory_waiting_since=at(-600))
GONE = at_rest(memory_target_gone_at=at(-600))


@pytest.mark.parametrize(
    ("status", "world", "sides"),
    [
        pytest.param(under_test(), world_under_test(target=CRASHED), {Side.CANARY}, id="restarts in a step"),
        pytest.param(AWAITED, world_under_test(weight=0, target=LATE), {Side.CANARY}, id="pods that are late"),
        pytest.param(PROMOTING, rolling(0, target=CRASHED), {Side.CANARY}, id="restarts in a promotion"),
        pytest.param(replace(PROMOTING, weight=0), rolling(0), {Side.PRIMARY}, id="a primary that is late"),
        pytest.param(GONE, a_world(target=None), {Side.CANARY}, id="a Deployment that is gone"),
    ],
)
def test_what_ends_by_pods_or_by_a_deadline_asks_for_a_live_look_first(
    status: Status, world: World, sides: set[Side]
) -> None:
    at_once = decided(status, world, seconds=600 if Side.PRIMARY in sides else 0)

    assert at_once.confirm == sides


def test_what_prometheus_and_people_end_asks_for_none() -> None:
    world = world_under_test()
    aborted = replace(world, command=Command(name=CommandName.ABORT, text="abort", by="ann"))

    failed = answered(under_test(), world, Counts(total=1000.0, bad=500.0), GOOD)
    quiet = answered(under_test(memory_no_data_since=at(-600)), world, Counts(total=1.0, bad=0.0), GOOD)
    ends = [failed, quiet, decided(under_test(), aborted)]

    assert [(end.status.phase, end.confirm) for end in ends] == [(Phase.ROLLING_BACK, frozenset())] * 3
