"""A spec that becomes invalid and a controller that starts anew: the spec that was last good stays in force."""

from __future__ import annotations

import json

import pytest

from canary.ports import CANARY, DEPLOYMENT
from canary.rollout.phases import Phase
from tests.builders import canary, deployment, ref, settings
from tests.scenarios.stage import Stage, analysis
from tests.scenarios.test_leaving import assert_serves_alone, left_over

pytestmark = pytest.mark.looptime

BROKEN = {"interval": "soon"}


async def broken_then_restarted(stage: Stage) -> None:
    """The spec becomes invalid, the controller says so, and another process takes over."""
    stage.edit_spec(analysis=BROKEN)
    await stage.rest(2)
    stage.controllers[-1].kill()
    stage.start()
    await stage.rest(2)
    assert (stage.ready_condition.status, stage.ready_condition.reason) == ("False", "InvalidSpec")


async def test_a_version_is_rolled_out_under_it(stage: Stage) -> None:
    await stage.onboarded()
    await broken_then_restarted(stage)
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)
    assert (stage.weights, stage.history) == ([0, 20, 50, 0], [("2.0", "promoted")])


async def test_a_rollout_goes_on_under_it_and_a_bad_version_is_rolled_back(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0")
    await broken_then_restarted(stage)
    assert stage.weight == 20
    stage.canary_traffic(bad=0.5)
    await stage.until_phase(Phase.FAILED)
    assert (stage.weight, stage.serving, stage.history) == (0, ["1.0"] * 3, [("2.0", "rolled_back")])


async def test_abort_works(stage: Stage) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 50)
    await broken_then_restarted(stage)
    stage.command("abort")
    await stage.until(lambda: stage.weight == 0, within=1)
    await stage.until_phase(Phase.FAILED)
    assert stage.history == [("2.0", "rolled_back")]


@pytest.mark.parametrize("running", [False, True])
async def test_leaving_works(stage: Stage, running: bool) -> None:
    await stage.onboarded()
    if running:
        await stage.pushed("2.0", 50)
    await broken_then_restarted(stage)
    stage.cluster.remove(ref(CANARY))
    if running:
        await stage.until(lambda: stage.candidate == (0, False))
        stage.push("1.0")
    await stage.until(lambda: left_over(stage) == [])
    assert_serves_alone(stage)


async def test_another_target_is_refused_after_a_restart_as_before_it(stage: Stage) -> None:
    await stage.onboarded()
    stage.edit_spec(targetRef={"name": "other"})
    stage.controllers[-1].kill()
    stage.start()
    await stage.rest(2)
    assert "which this Canary took into service" in stage.ready_condition.message
    stage.push("2.0")
    await stage.until_phase(Phase.SUCCEEDED)


@pytest.mark.parametrize("remembered", ["", "{", "[]", '{"analysis":{"interval":"then"}}'])
async def test_where_none_is_known_the_split_is_held_and_nothing_is_touched(stage: Stage, remembered: str) -> None:
    await stage.onboarded()
    await stage.pushed("2.0", 20)
    stage.controllers[-1].kill()
    live = stage.cluster.now(ref(CANARY))
    stage.edit_spec(analysis=BROKEN)
    whole = live["status"]["memory"]
    forgotten = {**whole, "memory": {**whole["memory"], "spec": remembered}}
    stage.cluster.edit(ref(CANARY), {"status": {"memory": forgotten}}, subresource="status")
    stage.canary_traffic(bad=0.5)
    before = stage.cluster.now(ref(DEPLOYMENT))["spec"]
    stage.start()
    await stage.rest(300)
    assert (stage.weight, stage.status.weight, stage.status.phase) == (20, 20, Phase.PROGRESSING)
    assert stage.cluster.now(ref(DEPLOYMENT))["spec"] == before
    assert 'spec.analysis.interval: found "soon"' in stage.status.message
    assert stage.reasons.count("InvalidSpec") == 1
    stage.edit_spec(analysis={"interval": "20s"})
    await stage.until_phase(Phase.FAILED)


async def test_it_is_what_people_wrote_and_nothing_is_kept_of_what_annotations_say(stage: Stage) -> None:
    await stage.onboarded()
    assert json.loads(stage.status.memory.spec) == stage.cluster.now(ref(CANARY))["spec"]
    stage.edit_spec(analysis={"interval": "30s"})
    await stage.rest(2)
    assert json.loads(stage.status.memory.spec)["analysis"]["interval"] == "30s"
    stage.edit_spec(analysis=BROKEN)
    await stage.rest(2)
    assert json.loads(stage.status.memory.spec)["analysis"]["interval"] == "30s"


async def test_nothing_is_kept_of_what_annotations_say(stage: Stage) -> None:
    await stage.there(deployment(replicas=3, annotations=settings(enabled="true")))
    stage.start()
    await stage.until_phase(Phase.INITIALIZED)
    assert stage.status.memory.spec == ""


async def test_another_fault_under_the_same_reason_is_told_and_none_of_them_twice(stage: Stage) -> None:
    await stage.onboarded()
    for interval in ("soon", "later", "soon", "later"):
        stage.edit_spec(analysis={"interval": interval})
        await stage.rest(2)
    told = [note.text for note in stage.told.notes if note.reason == "InvalidSpec"]
    assert [text.partition(",")[0] for text in told] == [
        'spec.analysis.interval: found "soon"',
        'spec.analysis.interval: found "later"',
    ]
    stage.edit_spec(analysis={"interval": "20s"})
    await stage.rest(2)
    stage.edit_spec(analysis={"interval": "soon"})
    await stage.rest(2)
    assert stage.reasons.count("InvalidSpec") == 3, "mended between, so it is told again"


async def test_faults_that_change_endlessly_are_told_ten_times(stage: Stage) -> None:
    await stage.onboarded()
    for number in range(30):
        stage.edit_spec(analysis={"interval": f"soon{number}"})
        await stage.rest(2)
    assert stage.reasons.count("InvalidSpec") == 10
    assert len(stage.status.memory.told) == 10


async def test_a_canary_that_was_never_valid_touches_nothing_even_of_an_application_that_is_there(stage: Stage) -> None:
    await stage.there()
    stage.cluster.apply(canary(analysis=analysis(interval="soon"), service={"name": "other"}, mesh="istio"))
    stage.start()
    await stage.rest(1200)
    assert stage.reasons == ["InvalidSpec"]
    assert stage.ready_condition.message == stage.status.message
    assert stage.client.requests.writes == 2, "the status and one Event"
    assert stage.cluster.now(ref(CANARY))["metadata"].get("finalizers") is None
