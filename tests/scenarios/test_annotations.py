"""A Deployment with annotations: its Canary comes, follows, gives way to a user's own, and goes."""

from __future__ import annotations

import pytest

from canary.ports import CANARY, DEPLOYMENT, SERVICE, Propagation
from canary.rollout.phases import Phase
from tests.builders import canary, deployment, ref, service, settings
from tests.embedded import ready_images
from tests.scenarios.stage import Stage, analysis, image

pytestmark = pytest.mark.looptime

ENABLED = settings(enabled="true", steps="20,50", interval="20s")


async def opted_in(stage: Stage) -> None:
    stage.cluster.apply(deployment(replicas=None, annotations=ENABLED))
    stage.cluster.edit(ref(DEPLOYMENT), {"spec": {"replicas": 3}})
    stage.cluster.apply(service())
    stage.start()
    await stage.until_phase(Phase.INITIALIZED)
    stage.forget()


async def test_annotations_alone_bring_a_rollout(stage: Stage) -> None:
    await opted_in(stage)
    stage.push("2.0", annotations=ENABLED)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 50, 0]
    assert stage.history == [("2.0", "promoted")]


async def test_an_edited_annotation_reaches_the_rollout_that_runs(stage: Stage) -> None:
    await opted_in(stage)
    stage.push("2.0", annotations=ENABLED)
    await stage.until_weight(20)
    edited = {"metadata": {"annotations": settings(steps="10,30,60")}}
    stage.cluster.edit(ref(DEPLOYMENT), edited)
    await stage.until_phase(Phase.SUCCEEDED)
    assert stage.weights == [0, 20, 30, 60, 0]


async def test_a_wrong_annotation_is_said_and_the_last_good_spec_stays(stage: Stage) -> None:
    await opted_in(stage)
    stage.cluster.edit(ref(DEPLOYMENT), {"metadata": {"annotations": settings(steps="50,20")}})
    await stage.rest(10)
    assert (stage.ready_condition.status, stage.ready_condition.reason) == ("False", "InvalidSpec")
    assert "canary.delivery/steps" in stage.ready_condition.message
    stage.cluster.edit(ref(DEPLOYMENT), {"metadata": {"annotations": settings(steps="20,50")}})
    await stage.rest(10)
    assert stage.ready_condition.status == "True"


@pytest.mark.parametrize("word", [None, "false"])
async def test_opting_out_gives_everything_back(stage: Stage, word: str | None) -> None:
    await opted_in(stage)
    stage.cluster.edit(ref(DEPLOYMENT), {"metadata": {"annotations": {"canary.delivery/enabled": word}}})
    await stage.until(lambda: stage.cluster.store.get(ref(CANARY)) is None, within=120)
    assert ready_images(stage.cluster) == [image("1.0")] * 3
    assert stage.cluster.now(ref(SERVICE))["spec"]["selector"] == {"app": "checkout"}
    assert stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is None


async def test_opting_in_again_while_leaving_brings_it_back(stage: Stage) -> None:
    await opted_in(stage)
    stage.cluster.edit(ref(DEPLOYMENT), {"metadata": {"annotations": {"canary.delivery/enabled": None}}})
    await stage.rest(20)
    stage.cluster.edit(ref(DEPLOYMENT), {"metadata": {"annotations": ENABLED}})
    await stage.until(lambda: stage.candidate == (0, False) and stage.status.phase is Phase.INITIALIZED)
    assert stage.serving == ["1.0"] * 3


async def test_a_generated_canary_goes_with_its_deployment(stage: Stage) -> None:
    await opted_in(stage)
    stage.cluster.remove(ref(DEPLOYMENT), Propagation.FOREGROUND)
    await stage.rest(500)
    assert stage.serving == ["1.0"] * 3
    await stage.until(lambda: stage.cluster.store.get(ref(CANARY)) is None, within=300)
    assert stage.cluster.store.get(ref(DEPLOYMENT, "checkout-primary")) is None


async def test_a_users_own_canary_beats_annotations(stage: Stage) -> None:
    own = canary("own", analysis=analysis(40))
    own["spec"]["targetRef"]["name"] = "checkout"
    own["spec"]["service"]["name"] = "checkout"
    stage.cluster.apply(own)
    stage.cluster.apply(deployment(annotations=ENABLED))
    stage.cluster.apply(service())
    stage.start()
    await stage.until(lambda: (stage.cluster.now(ref(CANARY, "own")).get("status") or {}).get("phase") == "Initialized")
    assert stage.cluster.store.get(ref(CANARY)) is None
