"""What was told out of order is judged in the order in which it was written."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from canary.ports import Watched
from canary.rollout.phases import Phase
from canary.sandbox.kinds import VIRTUAL_SERVICE
from meshes.contract import Kind
from tests.builders import ref
from tests.faults.tape import Tape
from tests.scenarios.invariants import DRAIN
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.looptime


def scrambled(events: list[Watched], dice: random.Random) -> list[Watched]:
    """Return the events in an order in which the watches of different kinds may tell them: each kind's own stays."""
    by_kind: dict[Kind, list[Watched]] = {}
    for event in events:
        by_kind.setdefault(event.ref.kind, []).append(event)
    told: list[Watched] = []
    while by_kind:
        kind = dice.choice(sorted(by_kind, key=str))
        told.append(by_kind[kind].pop(0))
        if not by_kind[kind]:
            del by_kind[kind]
    return told


async def recorded(stage: Stage) -> tuple[Tape, list[Watched]]:
    """Promote a version; return a tape of it and the events that are on it."""
    tape, events = Tape("shop", stage.cluster.clock), list[Watched]()
    stage.cluster.store.listen(tape.note)
    stage.cluster.store.listen(events.append)
    await stage.onboarded()
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    return tape, [each for each in events if each.ref.namespace == "shop"]


async def test_a_rollout_that_kept_to_its_rules_broke_none_in_whatever_order_it_was_told(stage: Stage) -> None:
    tape, events = await recorded(stage)
    assert tape.breaches(DRAIN) == []
    late = Tape("shop", stage.cluster.clock)
    for event in scrambled(events, random.Random(1)):
        late.note(event)
    found = late.breaches(timedelta(0))  # deletions stand where they were heard: who was listed is not known exactly
    assert [each for each in found if "no ready endpoint" not in each] == []


async def test_pods_that_went_too_early_and_weights_that_nobody_carries_are_on_the_tape(stage: Stage) -> None:
    tape, events = await recorded(stage)
    assert any("before weight 0 and drain" in each for each in tape.breaches(timedelta(hours=1)))
    route = next(each for each in events if each.ref == ref(VIRTUAL_SERVICE) and '"weight": 20' not in str(each))
    [rule] = route.manifest["spec"]["http"]
    raised = [{**each, "weight": 50} for each in rule["route"]]
    newest = max(int(each.manifest["metadata"]["resourceVersion"]) for each in events)
    metadata = {**route.manifest["metadata"], "resourceVersion": str(newest + 1)}
    spec = {**route.manifest["spec"], "http": [{**rule, "route": raised}]}
    tape.note(
        Watched(change=route.change, ref=route.ref, manifest={**route.manifest, "metadata": metadata, "spec": spec})
    )
    found = "\n".join(tape.breaches(DRAIN))
    assert "the route has weight 50, the status 0" in found
    assert "weight 50 in Succeeded" in found
    assert "weight 50 for a Deployment that is not held" in found
