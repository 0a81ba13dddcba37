"""Which passes let others go first when canaries wait: those that take no traffic away and begin nothing."""

from __future__ import annotations

import asyncio

import pytest

from canary.controller.due import Key
from canary.controller.haste import Haste
from canary.controller.queue import KeyQueue
from canary.rollout.phases import Phase
from tests.scenarios.stage import Stage, analysis

pytestmark = pytest.mark.looptime


@pytest.fixture
def gave_way(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, int]]:
    """The weight of the route and the size of the candidate, at each moment in which a pass lets others go first."""
    found: list[tuple[int | None, int]] = []

    async def give_way(_: KeyQueue, key: Key, until: Haste = Haste.REST) -> bool:
        found.append((stage.weight, stage.candidate[0]))
        return False

    monkeypatch.setattr(KeyQueue, "give_way", give_way)
    return found


async def test_an_evaluation_that_moves_nothing_lets_others_go_first(
    stage: Stage, gave_way: list[tuple[int | None, int]]
) -> None:
    await stage.onboarded(analysis=analysis({"weight": 20, "duration": "10m"}))
    await stage.pushed("2.0", 20)
    await stage.rest(30)
    gave_way.clear()
    await stage.rest(120)
    assert len(gave_way) >= 120 // 30
    assert {weight for weight, _ in gave_way} == {20}


async def test_a_push_is_held_up_only_until_its_replicaset_is_there(
    stage: Stage, gave_way: list[tuple[int | None, int]]
) -> None:
    await stage.onboarded()
    await stage.rest(60)
    gave_way.clear()
    await stage.pushed("2.0", 20)
    assert [size for _, size in gave_way if size == 0] == [0]


async def test_a_pass_that_waited_while_something_changed_looks_anew_and_writes_nothing_old(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.onboarded(analysis=analysis({"weight": 20, "duration": "10m"}))
    await stage.pushed("2.0", 20)

    async def aborted_meanwhile(_: KeyQueue, key: Key, until: Haste = Haste.REST) -> bool:
        if stage.status.phase is Phase.PROGRESSING:
            stage.command("abort")
            await asyncio.sleep(0.1)
        return True

    await stage.rest(20)
    monkeypatch.setattr(KeyQueue, "give_way", aborted_meanwhile)
    evaluated = stage.status.checks
    await stage.until_phase(Phase.ROLLING_BACK)
    assert stage.status.checks == evaluated
    await stage.until_phase(Phase.FAILED)
    anew = "Something changed while others went first: it is looked at anew"
    assert [line["event"] for line in stage.logs if line.get("because") == anew] == ["reconciled"]


@pytest.mark.parametrize("ends", ["abort", "verdict"])
async def test_what_takes_traffic_away_is_held_up_by_nobody(
    stage: Stage, gave_way: list[tuple[int | None, int]], ends: str
) -> None:
    await stage.onboarded(analysis=analysis({"weight": 20, "duration": "10m"}))
    await stage.pushed("2.0", 20)
    await stage.rest(20)
    if ends == "abort":
        stage.command("abort")
    else:
        stage.metrics.set("checkout", bad=1.0)
    await stage.until_phase(Phase.ROLLING_BACK)
    begun = len(gave_way)
    await stage.until_phase(Phase.FAILED)
    assert stage.weights == [0, 20, 0]
    assert {weight for weight, _ in gave_way[begun:]} == {0}


async def test_answers_by_which_a_check_fails_are_looked_at_first(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Haste] = []
    add = KeyQueue.add

    def noted(queue: KeyQueue, key: Key, haste: Haste = Haste.REST) -> None:
        asked.append(haste)
        add(queue, key, haste)

    await stage.onboarded(analysis=analysis({"weight": 20, "duration": "10m"}))
    await stage.pushed("2.0", 20)
    monkeypatch.setattr(KeyQueue, "add", noted)
    await stage.rest(120)
    assert set(asked) == {Haste.REST}
    stage.metrics.set("checkout", bad=1.0)
    await stage.until_phase(Phase.ROLLING_BACK)
    assert Haste.FIRST in asked


async def test_a_push_is_told_once_its_replicaset_is_there_and_not_before(stage: Stage) -> None:
    await stage.onboarded()
    await stage.rest(60)
    said = stage.status.message
    messages: list[str] = []
    stage.cluster.store.listen(lambda _: messages.append(stage.status.message))
    await stage.pushed("2.0", 20)
    assert [each for each in dict.fromkeys(messages) if "ReplicaSet" in each] == []
    assert said in messages
